import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { gradients } from '../../src/autodiff/gradients.ts';
import { f32, i32, sameType } from '../../src/base/tensor-type.ts';
import { defineOp } from '../../src/ir/define-op.ts';
import { evaluate } from '../../src/ir/evaluate.ts';
import { graphBuilder } from '../../src/ir/graph-builder.ts';
import type { GraphBuilder } from '../../src/ir/graph-builder.ts';
import type { Graph, Leaf, Value } from '../../src/ir/graph.ts';
import type { NdArray } from '../../src/ir/op.ts';
import { printGraph } from '../../src/ir/print.ts';
import { nodesBehind } from '../../src/ir/value.ts';
import { verify } from '../../src/ir/verify.ts';
import { add, mul, sigmoid, square, step, tanh } from '../../src/ops/elementwise.ts';
import { linear } from '../../src/ops/linear.ts';
import { layernorm } from '../../src/ops/norm.ts';
import { sgd } from '../../src/ops/optimizer.ts';
import { fill } from '../../src/ops/random.ts';
import { sum } from '../../src/ops/reduce.ts';
import { crossEntropy } from '../../src/ops/softmax.ts';
import { buildOpen, programs, randomValues } from '../ir/random-graph.ts';

const ops = { add, fill };
const normal = { kind: 'normal', std: 1 } as const;
const builder = (): GraphBuilder => graphBuilder({ mode: 'train', seed: 0 });
const total = (a: NdArray): number => a.data.reduce((s, v) => s + v, 0);

/** Compares the gradients of the sum of a value with central differences in float64, for every element of every leaf. */
function checkGradients(b: GraphBuilder, loss: Value, wrt: readonly Value[], tolerance = 1e-6): void {
  const found = gradients(b, loss, wrt, ops);
  const outputs = [{ name: 'loss', value: loss }];
  found.forEach((g, i) => g && outputs.push({ name: `d${i}`, value: g }));
  const graph = b.finish(outputs);
  assert.equal(verify(graph), []);
  const values = randomValues(5);
  const result = evaluate(graph, values);
  wrt.forEach((value, i) => {
    const leaf = value.source as Leaf;
    const base = values(leaf);
    const gradient = result.outputs.get(`d${i}`);
    base.data.forEach((_, e) => {
      const slope = centralDifference(graph, values, leaf, base, e);
      const is = gradient ? gradient.data[e]! : 0;
      const message = `d${leaf.name}[${e}] is ${is}, not ${slope}\n${printGraph(graph)}`;
      assert.ok(Math.abs(is - slope) <= tolerance * Math.max(1, Math.abs(slope)), message);
    });
  });
}

function centralDifference(graph: Graph, values: (l: Leaf) => NdArray, leaf: Leaf, base: NdArray, e: number): number {
  const h = 1e-5;
  const at = (x: number): number => {
    const data = base.data.slice();
    data[e] = x;
    const moved = evaluate(graph, (l) => (l === leaf ? { ...base, data } : values(l)));
    return total(moved.outputs.get('loss')!);
  };
  return (at(base.data[e]! + h) - at(base.data[e]! - h)) / (2 * h);
}

const differentiating = suite('gradients');

differentiating('random graphs agree with central differences', () => {
  fc.assert(
    fc.property(programs, (program) => {
      const { builder: b, outputs } = buildOpen({ ...program, updates: [] });
      const value = outputs.find((o) => o.source.kind === 'node');
      fc.pre(value !== undefined && !nodesBehind([value]).some((n) => n.op === sgd));
      const { leaves } = b.finish([]);
      const wrt = leaves.map((leaf) => ({ source: leaf, index: 0, type: leaf.type }));
      // A bounded loss: products of products grow beyond what differences can tell.
      checkGradients(b, b.one(tanh, [value]), wrt, 2e-4);
    }),
    { numRuns: 100 },
  );
});

differentiating('several uses of a value are summed, in the reverse order of their making', () => {
  const b = builder();
  const x = b.param('x', [3], normal);
  const loss = b.one(add, [b.one(mul, [x, x]), b.one(tanh, [x])]);
  checkGradients(b, loss, [x]);
});

differentiating('what does not follow has no gradient', () => {
  const b = builder();
  const [x, y] = [b.param('x', [3], normal), b.param('y', [3], normal)];
  const labels = b.input('labels', i32(3));
  assert.equal(gradients(b, b.one(square, [x]), [y, labels], ops), [null, null]);
  assert.equal(gradients(b, b.one(step, [x]), [x], ops), [null]);
  assert.throws(() => gradients(b, labels, [x], ops), /bug: a loss is f32/);
});

differentiating('a value between is differentiated too, with all that follows from it', () => {
  const b = builder();
  const x = b.param('x', [2], normal);
  const y = b.one(square, [x]);
  const [dy, dx] = gradients(b, b.one(mul, [y, y]), [y, x], ops);
  const result = evaluate(
    b.finish([
      { name: 'dy', value: dy! },
      { name: 'dx', value: dx! },
    ]),
    () => ({
      shape: [2],
      data: Float64Array.of(1, 2),
    }),
  );
  assert.equal([...result.outputs.get('dy')!.data], [2, 8]);
  assert.equal([...result.outputs.get('dx')!.data], [4, 32]);
});

differentiating('a fused op without a rule is differentiated through its decomposition', () => {
  const b = builder();
  const [x, w, bias] = [b.param('x', [4, 3], normal), b.param('w', [4, 3], normal), b.param('b', [4], normal)];
  checkGradients(b, b.one(linear, [x, w, bias, null], { activation: 'gelu' }), [x, w, bias]);
  const c = builder();
  const same = c.param('x', [3, 3], normal);
  checkGradients(c, c.one(linear, [same, same, null, null], { activation: 'tanh' }), [same]);
});

differentiating('inputs of a decomposition that follow from each other are kept apart', () => {
  const b = builder();
  const x = b.param('x', [3, 3], normal);
  checkGradients(b, b.one(linear, [x, b.one(sigmoid, [x]), null, null], { activation: 'sigmoid' }), [x]);
});

differentiating('second derivatives', () => {
  for (const make of [
    (b: GraphBuilder, x: Value) => b.one(tanh, [x]),
    (b: GraphBuilder, x: Value) => b.one(sigmoid, [x]),
    (b: GraphBuilder, x: Value) =>
      b.apply(layernorm, [x, b.param('scale', [3], normal), b.param('shift', [3], normal)], { eps: 1e-3 })[0]!,
    (b: GraphBuilder, x: Value) => b.one(crossEntropy, [x, b.input('labels', i32(2))]),
  ]) {
    const b = builder();
    const x = b.param('x', [2, 3], normal);
    const labels = b.input('labels', i32(2));
    const first = gradients(b, make(b, x), [x], ops)[0]!;
    // A linear function of the first gradient, so that nothing cancels.
    const weighted = b.one(mul, [first, b.input('weight', f32(2, 3))]);
    const params = b.params();
    const found = gradients(b, weighted, params, ops);
    assert.ok(found[0] && sameType(found[0].type, x.type));
    const values = randomValues(5);
    const outputs = found.flatMap((g, i) => (g ? [{ name: `d${i}`, value: g }] : []));
    const graph = b.finish([{ name: 'loss', value: weighted }, ...outputs]);
    const given = (l: Leaf): NdArray => (l === labels.source ? { shape: [2], data: Float64Array.of(2, 0) } : values(l));
    const result = evaluate(graph, given);
    params.forEach((p, i) => {
      const leaf = p.source as Leaf;
      given(leaf).data.forEach((_, e) => {
        const slope = centralDifference(graph, given, leaf, given(leaf), e);
        const is = result.outputs.get(`d${i}`)?.data[e] ?? 0;
        assert.ok(
          Math.abs(is - slope) < 1e-6 * Math.max(1, Math.abs(slope)),
          `${leaf.name}[${e}]: ${is}, not ${slope}`,
        );
      });
    });
  }
});

differentiating('gradient nodes carry the path of what they belong to', () => {
  const b = builder();
  const x = b.scope('dense[0]', () => b.param('x', [3], normal));
  const y = b.scope('dense[0]', () => b.one(square, [x]));
  const [dx] = gradients(b, y, [x], ops);
  assert.is(dx!.source.kind === 'node' && dx!.source.path, 'dense[0]');
});

differentiating('a rule that gives a gradient of the wrong shape is a bug', () => {
  const wrong = defineOp({
    name: 'wrong',
    doc: '',
    inputs: { x: 'f32[...s]' },
    outputs: { y: 'f32[...s]' },
    attrs: {},
    grad: (g) => [g.builder.one(sum, [g.dOutput(0)!], { axes: 1 })],
    cost: () => ({ flops: 0, macs: 0 }),
    reference: (inputs) => [inputs[0]!],
    samples: [],
  });
  const b = builder();
  const x = b.param('x', [3], normal);
  assert.throws(() => gradients(b, b.one(wrong, [x]), [x], ops), /bug: a gradient of f32\[3\] came as f32\[1\]/);
});

differentiating.run();

import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { f32, numel } from '../../src/base/tensor-type.ts';
import { evaluate } from '../../src/ir/evaluate.ts';
import { graphBuilder } from '../../src/ir/graph-builder.ts';
import type { GraphBuilder } from '../../src/ir/graph-builder.ts';
import type { Graph, Value } from '../../src/ir/graph.ts';
import type { NdArray } from '../../src/ir/op.ts';
import { add, affine, mul, relu } from '../../src/ops/elementwise.ts';
import { OPS } from '../../src/ops/index.ts';
import { sgd } from '../../src/ops/optimizer.ts';
import { reshape } from '../../src/ops/shape.ts';
import { makePlan } from '../../src/plan/make-plan.ts';
import type { Plan } from '../../src/plan/plan.ts';
import { printPlan } from '../../src/plan/print-plan.ts';
import { simulate } from '../../src/plan/simulate.ts';
import { verifyPlan } from '../../src/plan/verify-plan.ts';
import { buildProgram, largestDifference, programs, randomValues } from '../ir/random-graph.ts';

/** Runs a plan and the graph it came from, step by step, and gives the names whose values differ. */
function differences(graph: Graph, plan: Plan, steps: number): readonly string[] {
  const valueOf = randomValues(1, steps);
  const store = new Map(plan.store.map((s) => [s.name, valueOf(s.leaf)]));
  const externals = new Map<string, NdArray>();
  for (const leaf of graph.leaves) if (leaf.kind === 'input') externals.set(leaf.name, valueOf(leaf));
  for (const e of plan.externals.filter((x) => x.written)) {
    const size = numel(e.type.shape) * (e.perStep ? steps : 1);
    externals.set(e.name, { shape: e.type.shape, data: new Float64Array(size).fill(NaN) });
  }
  simulate(plan, { store, externals }, steps);

  const expected = new Map<string, NdArray>();
  for (const leaf of graph.leaves) if (leaf.kind !== 'input') expected.set(leaf.name, valueOf(leaf));
  const wrong: string[] = [];
  for (let s = 0; s < steps; s++) {
    const row = (a: NdArray, size: number): NdArray => ({ ...a, data: a.data.subarray(s * size, (s + 1) * size) });
    const result = evaluate(graph, (leaf) => {
      if (leaf.kind !== 'input') return expected.get(leaf.name)!;
      return leaf.perStep ? row(externals.get(leaf.name)!, numel(leaf.type.shape)) : externals.get(leaf.name)!;
    });
    for (const [name, value] of result.updates) expected.set(name, value);
    for (const { name, perStep } of graph.outputs) {
      const [is, should] = [externals.get(name)!, result.outputs.get(name)!];
      if (perStep && largestDifference(row(is, should.data.length), should) !== 0) wrong.push(`${name} at step ${s}`);
      if (!perStep && s === steps - 1 && largestDifference(is, should) !== 0) wrong.push(name);
    }
  }
  for (const { name } of plan.store)
    if (largestDifference(store.get(name)!, expected.get(name)!) !== 0) wrong.push(name);
  return wrong;
}

const plans = suite('plan');

plans('random graphs: no two live buffers overlap, and the plan computes what the graph means', () => {
  fc.assert(
    fc.property(programs, (program) => {
      const graph = buildProgram(program);
      const plan = makePlan(graph, { ops: OPS });
      assert.equal(verifyPlan(plan), []);
      assert.equal(differences(graph, plan, 3), []);
    }),
    { numRuns: 400 },
  );
});

const builder = (): GraphBuilder => graphBuilder({ mode: 'train', seed: 0 });
const zero = { kind: 'constant', value: 0 } as const;

function checkPlan(graph: Graph): Plan {
  const plan = makePlan(graph, { ops: OPS });
  assert.equal(verifyPlan(plan), []);
  assert.equal(differences(graph, plan, 3), []);
  return plan;
}
const copies = (plan: Plan): number => plan.steps.filter((s) => s.op === affine && s.attrs['scale'] === 1).length;

plans('an optimizer writes in place, after every reader of the old parameter', () => {
  const b = builder();
  const [w, v] = [b.param('w', [4], zero), b.slot('v', [4], zero)];
  const rate = b.input('rate', f32(1));
  const [next, velocity] = b.apply(sgd, [w, b.one(mul, [w, w]), v, rate], {
    momentum: 0.9,
    weightDecay: 0,
    nesterov: 0,
  });
  b.update(w, next!);
  b.update(v, velocity!);
  const late = b.one(relu, [w]);
  const plan = checkPlan(b.finish([{ name: 'old', value: late }]));
  assert.is(copies(plan), 0);
  assert.is(plan.steps.at(-1)!.op, sgd);
  const [param] = plan.steps.at(-1)!.outputs;
  assert.is(param, plan.steps.at(-1)!.inputs[0]);
});

plans('a reader that needs the new value and the old one gets both', () => {
  const b = builder();
  const w = b.param('w', [4], zero);
  const next = b.one(affine, [w], { scale: 2, shift: 1 });
  b.update(w, next);
  const plan = checkPlan(b.finish([{ name: 'difference', value: b.one(mul, [w, next]) }]));
  assert.is(copies(plan), 1);
});

plans('leaves may trade places', () => {
  const b = builder();
  const [u, w] = [b.param('u', [4], zero), b.param('w', [4], zero)];
  b.update(u, w);
  b.update(w, u);
  assert.is(copies(checkPlan(b.finish([]))), 3);
});

plans('an input that is an output, and one value under two names, are copied', () => {
  const b = builder();
  const x = b.input('x', f32(4));
  const y = b.one(relu, [x]);
  const plan = checkPlan(
    b.finish([
      { name: 'a', value: x },
      { name: 'b', value: y },
      { name: 'c', value: b.one(reshape, [y], { dims: [2, 2] }) },
    ]),
  );
  assert.is(copies(plan), 2);
});

plans('what cannot be copied, and a name that is input and output, are said to be bugs', () => {
  const b = builder();
  const labels = b.input('labels', { dtype: 'i32', shape: [4] });
  assert.throws(() => makePlan(b.finish([{ name: 'y', value: labels }]), { ops: OPS }), /bug: a plan cannot copy i32/);
  const x = b.input('x', f32(4));
  const y = b.one(relu, [x]);
  assert.throws(() => makePlan(b.finish([{ name: 'x', value: y }]), { ops: OPS }), /'x' is an input and an output/);
  assert.throws(() => makePlan(b.finish([{ name: 'y', value: y }]), { ops: [affine] }), /the op table has no 'relu'/);
});

plans('what only an auxiliary loss needs does not run', () => {
  const b = builder();
  const x = b.input('x', f32(1));
  b.auxiliaryLoss(b.one(relu, [x]));
  const plan = checkPlan(b.finish([{ name: 'y', value: b.one(affine, [x], { scale: 2, shift: 0 }) }]));
  assert.is(plan.steps.length, 1);
});

plans('a long chain takes two buffers of memory, an in-place chain one', () => {
  const chain = (step: (b: GraphBuilder, v: Value) => Value): number => {
    const b = builder();
    let v = b.one(affine, [b.input('x', f32(1000))], { scale: 2, shift: 0 });
    for (let i = 0; i < 20; i++) v = step(b, v);
    return checkPlan(b.finish([{ name: 'y', value: b.one(relu, [v]) }])).arenaBytes;
  };
  assert.is(
    chain((b, v) => b.one(relu, [v])),
    4032,
  );
  assert.is(
    chain((b, v) => b.one(mul, [v, v])),
    8064,
  );
});

plans('the text of a plan', () => {
  const b = builder();
  const x = b.input('x', f32(2, 3), true);
  const w = b.scope('dense[0]', () => b.param('weight', [3], zero));
  const sum = b.scope('dense[0]', () => b.one(add, [x, w]));
  const flat = b.one(reshape, [b.one(relu, [sum])], { dims: [6] });
  b.update(w, b.one(affine, [w], { scale: 0.5, shift: 0 }));
  const plan = checkPlan(
    b.finish([{ name: 'y', value: b.one(affine, [flat], { scale: 3, shift: 0 }), perStep: true }]),
  );
  assert.snapshot(
    printPlan(plan),
    `arena 64 bytes
output y: f32[6] per step
input x: f32[2, 3] per step
store dense[0].weight: f32[3] written
0: @0:f32[2, 3] = add(x:f32[2, 3], dense[0].weight:f32[3])  @ dense[0]
1+: @0:f32[2, 3] = relu(@0:f32[2, 3])
2: dense[0].weight:f32[3] = affine(dense[0].weight:f32[3]) {scale: 0.5, shift: 0}
3+: y:f32[6] = affine(@0:f32[6]) {scale: 3, shift: 0}
`,
  );
});

plans.run();

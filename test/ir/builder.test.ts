import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { f32, i32 } from '../../src/base/tensor-type.ts';
import { Unfit } from '../../src/base/unfit.ts';
import { graphBuilder } from '../../src/ir/graph-builder.ts';
import type { GraphBuilder } from '../../src/ir/graph-builder.ts';
import type { Graph, Node } from '../../src/ir/graph.ts';
import { printGraph } from '../../src/ir/print.ts';
import { startOf } from '../../src/ir/start.ts';
import { sameValue } from '../../src/ir/value.ts';
import { verify } from '../../src/ir/verify.ts';
import { add, affine, mul, relu } from '../../src/ops/elementwise.ts';
import { layernorm } from '../../src/ops/norm.ts';
import { full } from '../../src/weights/full.ts';

const zero = { kind: 'constant', value: 0 } as const;
const builder = (mode: 'train' | 'infer' = 'train'): GraphBuilder => graphBuilder({ mode, seed: 7 });

const building = suite('graph builder');

building('names come from scopes; the same name is the same tensor', () => {
  const b = builder();
  const w = b.scope('cell[0]', () => b.scope('', () => b.scope('dense[1]', () => b.param('weight', [2, 3], zero))));
  assert.is(w.source.kind !== 'node' && w.source.name, 'cell[0].dense[1].weight');
  assert.ok(sameValue(w, b.param('cell[0].dense[1].weight', [2, 3], zero)));
  assert.is(b.params().length, 1);
  assert.throws(
    () => b.scope('cell[0].dense[1]', () => b.param('weight', [3, 2], zero)),
    (e: unknown) => {
      if (!(e instanceof Unfit)) return false;
      assert.is(e.message, "'cell[0].dense[1].weight' is shared, but is f32[2, 3] in one use and f32[3, 2] in another");
      return true;
    },
  );
  assert.throws(() => b.state('cell[0].dense[1].weight', [2, 3], zero), /bug: .* is a param and a state/);
});

building('a scope ends where its body throws', () => {
  const b = builder();
  assert.throws(() => b.scope('a', () => b.one(relu, [b.input('labels', i32(1))])));
  const w = b.param('w', [1], zero);
  assert.is(w.source.kind !== 'node' && w.source.name, 'w');
});

building('keys differ by seed, purpose, path and use, and by nothing else', () => {
  const keys = (seed: number): readonly string[] => {
    const b = graphBuilder({ mode: 'train', seed });
    const at = (path: string, purpose: string): string => b.scope(path, () => b.key(purpose)).join();
    return [at('a', 'dropout'), at('a', 'dropout'), at('b', 'dropout'), at('a', 'noise')];
  };
  assert.is(new Set([...keys(1), ...keys(2)]).size, 8);
  assert.equal(keys(1), keys(1));
});

building('a state used twice is updated twice, one after the other', () => {
  const b = builder();
  const track = (): void => {
    const mean = b.state('mean', [1], zero);
    b.update(mean, b.one(affine, [mean], { scale: 0.5, shift: 1 }));
  };
  track();
  track();
  const graph = b.finish([]);
  assert.is(graph.updates.length, 1);
  assert.is(graph.nodes.length, 2);
  assert.throws(() => b.update(b.one(relu, [b.input('x', f32(1))]), b.input('x', f32(1))), /only a leaf of the store/);
  assert.throws(
    () => b.update(b.param('w', [2], zero), b.input('x', f32(1))),
    /is f32\[2\] and cannot become f32\[1\]/,
  );
});

building('finish keeps what a root needs, and every leaf', () => {
  const b = builder();
  const x = b.input('x', f32(2));
  const used = b.one(relu, [x]);
  b.one(mul, [x, x]);
  b.param('unused', [5], zero);
  b.auxiliaryLoss(b.one(relu, [b.input('loss', f32(1))]));
  const graph = b.finish([{ name: 'y', value: used }]);
  assert.is(
    printGraph(graph),
    `input x: f32[2]
input loss: f32[1]
param unused: f32[5] = 0
%0: f32[2] = relu(x)
%1: f32[1] = relu(loss)
output y = %0
loss %1
`,
  );
  assert.throws(() => b.auxiliaryLoss(x), /bug: an auxiliary loss is f32\[1\]/);
});

building('the step is a table in training, one number in inference', () => {
  const leaf = (mode: 'train' | 'infer'): unknown => builder(mode).step().source;
  assert.equal(leaf('train'), { kind: 'input', name: 'step', type: i32(1), perStep: true });
  assert.equal(leaf('infer'), { kind: 'input', name: 'step', type: i32(1), perStep: false });
});

building('starts', () => {
  const std = (start: 'he' | 'lecun' | 'xavier' | number): number => {
    const init = startOf({ fanIn: 8, fanOut: 24, start });
    return init.kind === 'normal' ? init.std : NaN;
  };
  assert.equal([std('he'), std('lecun'), std('xavier'), std(0.02)], [0.5, Math.sqrt(1 / 8), 0.25, 0.02]);
  const b = builder();
  const spec = { shape: [24, 8], fanIn: 8, fanOut: 24, start: 'he' } as const;
  const made = { kind: 'made', def: full, args: {}, parts: [], text: 'full()' } as const;
  assert.ok(sameValue(full.make(b, 'w', spec, made), b.weight('w', spec)));
});

const printing = suite('print');

printing('every kind of line', () => {
  const b = builder();
  const x = b.input('x', f32(2, 3), true);
  const images = b.data('images', { dtype: 'u8', shape: [10, 4] });
  const scale = b.param('scale', [3], { kind: 'normal', std: 0.1 });
  const slot = b.slot('scale#m', [3], zero);
  const [y, , rstd] = b.scope('norm[0]', () => b.apply(layernorm, [x, scale, slot], { eps: 0.5 }));
  b.update(slot, b.one(add, [slot, scale]));
  assert.is(images.type.dtype, 'u8');
  assert.is(
    printGraph(
      b.finish([
        { name: 'y', value: y! },
        { name: 'r', value: rstd!, perStep: true },
      ]),
    ),
    `input x: f32[2, 3] per step
data images: u8[10, 4]
param scale: f32[3] = normal(0.1)
slot scale#m: f32[3] = 0
%0: f32[2, 3], f32[2], f32[2] = layernorm(x, scale, scale#m) {eps: 0.5}  @ norm[0]
%1: f32[3] = add(scale#m, scale)
output y = %0.0
output r per step = %0.2
update scale#m = %1
`,
  );
});

const verifying = suite('verify');

function small(): { readonly graph: Graph; readonly first: Node; readonly second: Node } {
  const b = builder();
  const w = b.param('w', [2], zero);
  const first = b.one(relu, [w]);
  const second = b.one(mul, [first, w]);
  b.update(w, second);
  const graph = b.finish([{ name: 'y', value: second }]);
  return { graph, first: first.source as Node, second: second.source as Node };
}

verifying('finds every kind of wrong graph', () => {
  const { graph, first, second } = small();
  assert.equal(verify(graph), []);
  const finds = (wrong: Graph, message: RegExp): void => {
    const problems = verify(wrong);
    assert.ok(
      problems.some((p) => message.test(p)),
      `${message} not in ${problems.join('; ')}`,
    );
  };
  const withNode = (node: Node): Graph => ({ ...graph, nodes: [first, node], outputs: [], updates: [] });
  const value = graph.outputs[0]!.value;
  const [leaf] = graph.leaves;
  finds({ ...graph, nodes: [second, first] }, /which does not come before it/);
  finds({ ...graph, leaves: [] }, /'w', which is not a leaf of the graph/);
  finds({ ...graph, nodes: [first, first, second] }, /is listed twice/);
  finds({ ...graph, outputs: [], updates: [] }, /is needed by nothing/);
  finds(withNode({ ...second, types: [f32(3)] }), /has types f32\[3\], not f32\[2\]/);
  finds(withNode({ ...second, inputs: [second.inputs[0]!] }), /does not fit: bug: mul needs/);
  finds(withNode({ ...second, attrs: { p: 1 } }), /does not fit: bug: mul has no attribute/);
  finds({ ...graph, outputs: [...graph.outputs, ...graph.outputs] }, /two outputs are called 'y'/);
  finds({ ...graph, updates: [...graph.updates, ...graph.updates] }, /'w' is updated twice/);
  finds({ ...graph, leaves: [...graph.leaves, { ...leaf! }] }, /two leaves are called 'w'/);
  finds({ ...graph, losses: [value] }, /loss 0 is f32\[2\]/);
  finds({ ...graph, outputs: [{ name: 'y', perStep: false, value: { ...value, index: 3 } }] }, /does not exist/);
  finds(
    { ...graph, outputs: [{ name: 'y', perStep: false, value: { ...value, type: f32(9) } }] },
    /takes f32\[2\] for f32\[9\]/,
  );
});

building.run();
printing.run();
verifying.run();

// Intrinsic dimension of 784-200-200-10 on MNIST (Li et al. 2018): test accuracy by the dimension of a random subspace.
// node --import tsx zoo/intrinsic-dimension/experiment.ts [--d 300,750,1500] [--kinds fastfood,sparse] [--epochs 10] [--seed 1] [--threads 1]
//
// Their protocol: Adam 1e-3 with β₂ = .99, batch 128, 100 epochs, He-normal starts, L2 1e-5 on the kernels. Ours is theirs with fewer epochs. One
// vector v for all six tensors: rows of one P.
import { parseArgs } from 'node:util';
import { gradients } from '../../src/autodiff/gradients.ts';
import { keyOf, Random } from '../../src/base/philox.ts';
import { f32, i32, numel } from '../../src/base/tensor-type.ts';
import { mnist } from '../../src/data/image-files.ts';
import type { Table } from '../../src/data/dataset.ts';
import { graphBuilder } from '../../src/ir/graph-builder.ts';
import type { GraphBuilder } from '../../src/ir/graph-builder.ts';
import type { Graph, Value } from '../../src/ir/graph.ts';
import { openStore, prepare } from '../../src/native/native.ts';
import type { Store } from '../../src/native/native.ts';
import { add, affine, div, mul, relu } from '../../src/ops/elementwise.ts';
import { loadI32, loadU8 } from '../../src/ops/gather.ts';
import { matmul } from '../../src/ops/matmul.ts';
import { OPS } from '../../src/ops/index.ts';
import { fill } from '../../src/ops/random.ts';
import { sum } from '../../src/ops/reduce.ts';
import { reshape, slice } from '../../src/ops/shape.ts';
import { subspaceNorms, subspaceProject } from '../../src/ops/subspace.ts';
import { makePlan } from '../../src/plan/make-plan.ts';
import { LOSSES, meanRows, sumRows } from '../../src/recipes/losses.ts';
import { OPTIMIZERS } from '../../src/recipes/optimizers.ts';
import { optimize } from '../../src/rewrite/rules/index.ts';
import { storeLeavesOf } from '../../src/train/graphs.ts';

const WIDTHS = [784, 200, 200, 10];
const BATCH = 128;
const LR = 1e-3;
const L2 = 1e-5;

/** Kernel and bias of each layer. */
const SHAPES = WIDTHS.slice(1).flatMap((out, i) => [[out, WIDTHS[i]!], [out]]);
const D = SHAPES.reduce((n, shape) => n + numel(shape), 0);

interface Setting {
  readonly kind: string;
  readonly d: number;
  readonly seed: number;
}

/** He-normal kernels, zero biases, one after another. */
function start(seed: number): Float32Array {
  const random = new Random('start', seed);
  return Float32Array.from(
    SHAPES.flatMap((shape) => {
      const std = shape.length === 2 ? Math.sqrt(2 / shape[1]!) : 0;
      return Array.from({ length: numel(shape) }, () => std * random.normal());
    }),
  );
}

/** θ = θ0 + P·v, cut into kernels and biases. */
function parameters(
  b: GraphBuilder,
  { kind, d, seed }: Setting,
): { readonly theta: Value; readonly parts: readonly Value[] } {
  const v = b.param('v', [d], { kind: 'constant', value: 0 });
  const [key0, key1] = keyOf(seed, 'subspace');
  const which = { key0, key1, stream: 0 };
  const x = kind === 'gaussian' ? b.one(div, [v, b.data('norms', f32(d))]) : v;
  const theta = b.one(subspaceProject, [x, b.data('start', f32(D))], { dims: [D], kind, ...which, stratum: 0 });
  let at = 0;
  const parts = SHAPES.map((shape) => {
    const part = b.one(slice, [theta], { axis: 0, start: at, size: numel(shape) });
    at += numel(shape);
    return b.one(reshape, [part], { dims: shape });
  });
  return { theta, parts };
}

const crossentropy = LOSSES.get('crossentropy')!;

/** Loss and hits of the rows of one batch, and the kernels that L2 counts. */
interface Batch {
  readonly loss: Value;
  readonly hits: Value;
  readonly kernels: readonly Value[];
}

function batchOf(b: GraphBuilder, setting: Setting, part: string, table: Table, batch: number): Batch {
  const index = b.input('index', i32(batch), true);
  const { scale, shift } = table.features[0]!;
  const { parts } = parameters(b, setting);
  let x = b.one(loadU8, [b.data(`${part}.image`, { dtype: 'u8', shape: [table.examples, 784] }), index], {
    scale,
    shift,
  });
  for (let i = 0; i < parts.length; i += 2) {
    x = b.one(add, [b.one(matmul, [x, parts[i]!], { transA: 0, transB: 1 }), parts[i + 1]!]);
    if (i + 2 < parts.length) x = b.one(relu, [x]);
  }
  const label = b.one(loadI32, [b.data(`${part}.label`, i32(table.examples, 1)), index]);
  const { loss, metrics } = crossentropy.rows(b, x, b.one(reshape, [label], { dims: [batch] }));
  return { loss, hits: metrics[0]!, kernels: parts.filter((_, i) => i % 2 === 0) };
}

function trainingGraph(setting: Setting, table: Table): Graph {
  const b = graphBuilder({ mode: 'train', seed: setting.seed });
  const { loss, kernels } = batchOf(b, setting, 'train', table, BATCH);
  const squares = kernels.map((k) => b.one(sum, [b.one(mul, [k, k])], { axes: 3 }));
  const penalty = b.one(affine, [squares.reduce((x, y) => b.one(add, [x, y]))], { scale: L2, shift: 0 });
  const total = b.one(add, [meanRows(b, loss), b.one(reshape, [penalty], { dims: [1] })]);
  const adam = OPTIMIZERS.get('adam')!;
  const [lr, step] = [b.input('lr', f32(1)), b.step()];
  const [param] = b.params();
  const [grad] = gradients(b, total, [param!], { add, fill });
  const slots = adam.slots.map((name) => b.slot(`v@${name}`, param!.type.shape, adam.slotInit));
  const next = adam.update(b, { param: param!, grad: grad!, slots, lr, step }, { beta1: 0.9, beta2: 0.99, eps: 1e-7, weight_decay: 0 }); // prettier-ignore
  [param!, ...slots].forEach((old, i) => b.update(old, next[i]!));
  return b.finish([{ name: 'loss', value: total, perStep: true }]);
}

const TESTED = 500;

function testGraph(setting: Setting, table: Table): Graph {
  const b = graphBuilder({ mode: 'infer', seed: setting.seed });
  const { hits } = batchOf(b, setting, 'test', table, TESTED);
  return b.finish([{ name: 'hits', value: sumRows(b, hits), perStep: true }]);
}

function runner(
  graph: Graph,
  threads: number,
): (store: Store, steps: number, given: Record<string, Int32Array | Float32Array>) => Float32Array {
  const plan = makePlan(optimize(graph), { ops: OPS });
  const prepared = prepare(plan.bytes);
  return (store, steps, given) => {
    const out = new Float32Array(steps);
    const externals = plan.externals.map((e) => (e.written ? out : given[e.name]!));
    prepared.runSync(store, externals, { steps, threads });
    return out;
  };
}

function writeTable(store: Store, part: string, table: Table): void {
  const image = table.features[0]!.data as Uint8Array;
  store.write(`${part}.image`, 'u8', [table.examples, 784], image);
  store.write(`${part}.label`, 'i32', [table.examples, 1], Int32Array.from(table.label.data));
}

/** Test accuracy after each epoch. */
function* run(setting: Setting, epochs: number, threads: number): Generator<number> {
  const { train, test } = mnist();
  const store = openStore();
  writeTable(store, 'train', train);
  writeTable(store, 'test', test!);
  store.write('start', 'f32', [D], start(setting.seed));
  const graph = trainingGraph(setting, train);
  const leaves = storeLeavesOf(graph);
  for (const leaf of leaves) store.write(leaf.name, 'f32', leaf.type.shape, null);
  if (setting.kind === 'gaussian') {
    const [key0, key1] = keyOf(setting.seed, 'subspace');
    const b = graphBuilder({ mode: 'infer', seed: 0 });
    const norms = b.one(subspaceNorms, [], { d: setting.d, rows: D, key0, key1, stream: 0 });
    const found = new Float32Array(setting.d);
    prepare(makePlan(b.finish([{ name: 'norms', value: norms }]), { ops: OPS }).bytes).runSync(null, [found], {
      threads,
    });
    store.write('norms', 'f32', [setting.d], found);
  }
  const [step, tested] = [runner(graph, threads), runner(testGraph(setting, test!), threads)];
  const random = new Random('batches', setting.seed);
  const steps = Math.floor(train.examples / BATCH);
  for (let epoch = 0; epoch < epochs; epoch++) {
    const index = Int32Array.from(random.permutation(train.examples).subarray(0, steps * BATCH));
    const numbers = Int32Array.from({ length: steps }, (_, i) => epoch * steps + i);
    step(store, steps, { index, step: numbers, lr: Float32Array.of(LR) });
    const rows = Int32Array.from({ length: test!.examples }, (_, i) => i);
    const hits = tested(store, test!.examples / TESTED, { index: rows, step: Int32Array.of(0) });
    yield hits.reduce((a, h) => a + h, 0) / test!.examples;
  }
  void store.close();
}

const { values } = parseArgs({
  options: {
    d: { type: 'string', default: '300,750,1500' },
    kinds: { type: 'string', default: 'fastfood,sparse,rademacher,gaussian' },
    epochs: { type: 'string', default: '10' },
    seed: { type: 'string', default: '1' },
    threads: { type: 'string', default: '1' },
  },
});
for (const kind of values.kinds.split(','))
  for (const d of values.d.split(',').map(Number)) {
    const began = performance.now();
    const accuracy = [...run({ kind, d, seed: Number(values.seed) }, Number(values.epochs), Number(values.threads))];
    const row = { kind, d, epochs: accuracy.length, accuracy: accuracy.at(-1), best: Math.max(...accuracy) };
    console.log(JSON.stringify({ ...row, seconds: Math.round((performance.now() - began) / 100) / 10 }));
  }

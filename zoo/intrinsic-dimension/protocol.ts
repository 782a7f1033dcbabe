// The protocol of Li et al. 2018, "Measuring the intrinsic dimension of objective landscapes", for 784-200-200-10 on MNIST: Adam 1e-3 with β₂ = .99,
// batch 128, He-normal starts, L2 1e-5 on the kernels (not on v). One vector v for all six tensors: their numbers, one after another, are the rows of one P.
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
export const D = SHAPES.reduce((n, shape) => n + numel(shape), 0);

export interface Setting {
  /** A kind of projection, or `direct`: every number is trained. */
  readonly kind: string;
  readonly d: number;
  readonly seed: number;
}

/** He-normal kernels, cut at two deviations as their framework does, and zero biases, one after another. */
function start(seed: number): Float32Array {
  const random = new Random('start', seed);
  const within = (): number => {
    for (;;) {
      const x = random.normal();
      if (Math.abs(x) <= 2) return x;
    }
  };
  return Float32Array.from(
    SHAPES.flatMap((shape) => {
      const std = shape.length === 2 ? Math.sqrt(2 / shape[1]!) : 0;
      return Array.from({ length: numel(shape) }, () => (std === 0 ? 0 : std * within()));
    }),
  );
}

/** θ = θ0 + P·v; θ itself, from θ0 on, where it is trained directly. */
function whole(b: GraphBuilder, { kind, d, seed }: Setting): Value {
  const trained = b.param('v', [kind === 'direct' ? D : d], { kind: 'constant', value: 0 });
  const theta0 = b.data('start', f32(D));
  if (kind === 'direct') return b.one(add, [theta0, trained]);
  const [key0, key1] = keyOf(seed, 'subspace');
  const v = kind === 'gaussian' ? b.one(div, [trained, b.data('norms', f32(d))]) : trained;
  return b.one(subspaceProject, [v, theta0], { dims: [D], kind, key0, key1, stream: 0, stratum: 0 });
}

/** Kernels and biases, cut out of θ. */
function parameters(b: GraphBuilder, setting: Setting): readonly Value[] {
  const theta = whole(b, setting);
  let at = 0;
  return SHAPES.map((shape) => {
    const part = b.one(slice, [theta], { axis: 0, start: at, size: numel(shape) });
    at += numel(shape);
    return b.one(reshape, [part], { dims: shape });
  });
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
  const parts = parameters(b, setting);
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
  const next = adam.update(b, { param: param!, grad: grad!, slots, lr, step }, { beta1: 0.9, beta2: 0.99, eps: 1e-8, weight_decay: 0 }); // prettier-ignore
  [param!, ...slots].forEach((old, i) => b.update(old, next[i]!));
  return b.finish([{ name: 'loss', value: total, perStep: true }]);
}

// θ is made anew in each step: few of them.
const TESTED = 2000;

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

function normsOf({ d, seed }: Setting, threads: number): Float32Array {
  const [key0, key1] = keyOf(seed, 'subspace');
  const b = graphBuilder({ mode: 'infer', seed: 0 });
  const norms = b.one(subspaceNorms, [], { d, rows: D, key0, key1, stream: 0 });
  const found = new Float32Array(d);
  const { bytes } = makePlan(b.finish([{ name: 'norms', value: norms }]), { ops: OPS });
  prepare(bytes).runSync(null, [found], { threads });
  return found;
}

/** Test accuracy after each of so many epochs. */
export function* accuracies(setting: Setting, epochs: number, threads: number): Generator<number> {
  const { train, test } = mnist();
  const store = openStore();
  writeTable(store, 'train', train);
  writeTable(store, 'test', test!);
  store.write('start', 'f32', [D], start(setting.seed));
  const graph = trainingGraph(setting, train);
  const leaves = storeLeavesOf(graph);
  for (const leaf of leaves) store.write(leaf.name, 'f32', leaf.type.shape, null);
  if (setting.kind === 'gaussian') store.write('norms', 'f32', [setting.d], normsOf(setting, threads));
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

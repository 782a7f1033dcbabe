import { gradients } from '../autodiff/gradients.ts';
import { Random } from '../base/philox.ts';
import { numel } from '../base/tensor-type.ts';
import type { TensorType } from '../base/tensor-type.ts';
import type { Graph, Node, Value } from '../ir/graph.ts';
import { graphBuilder } from '../ir/graph-builder.ts';
import type { GraphBuilder } from '../ir/graph-builder.ts';
import type { Cost } from '../ir/op.ts';
import { allocate, openStore, prepare } from '../native/native.ts';
import type { Store } from '../native/native.ts';
import { add, mul } from '../ops/elementwise.ts';
import { OPS } from '../ops/index.ts';
import { fill } from '../ops/random.ts';
import { sum } from '../ops/reduce.ts';
import { reshape } from '../ops/shape.ts';
import type { Plan } from '../plan/plan.ts';
import { makePlan } from '../plan/make-plan.ts';
import { splitOnce } from '../rewrite/once.ts';
import { optimize } from '../rewrite/rules/index.ts';
import type { OptimizeOptions } from '../rewrite/rules/index.ts';
import { initialGraph, storeLeavesOf } from '../train/graphs.ts';
import type { Case } from './case.ts';

const random = new Random('bench');
/** In memory such as stores and the tensors of tenon/kernels have, of large pages. */
export function normal(n: number, std = 1): Float32Array {
  const numbers = new Float32Array(allocate(n * 4, false));
  for (let i = 0; i < n; i++) numbers[i] = std * random.normal();
  return numbers;
}
export const wholeBelow = (n: number, below: number): Int32Array =>
  Int32Array.from({ length: n }, () => random.below(below));

export const costOf = ({ op, inputs, types, attrs }: Node): Cost =>
  op.cost(
    inputs.map((v) => v && v.type),
    types,
    attrs,
  );
export const flopsOf = (graph: Graph): number => graph.nodes.reduce((sum, n) => sum + costOf(n).flops, 0);

/** A graph planned and bound, as a call that runs it `steps` times here and now. Inputs that are not given are normal numbers. */
export function runner(
  graph: Graph,
  threads: number,
  steps = 1,
  given: Readonly<Record<string, Int32Array | Float32Array>> = {},
  options: OptimizeOptions = {},
): () => void {
  const planned = makePlan(optimize(graph, options), { ops: OPS });
  return planRunner(graph, planned, planned.bytes, threads, steps, given);
}

/** The same of a plan of the graph, by these bytes. */
export const planRunner = (
  graph: Graph,
  plan: Plan,
  bytes: Uint8Array,
  threads: number,
  steps: number,
  given: Readonly<Record<string, Int32Array | Float32Array>>,
): (() => void) => bound(plan, bytes, startedStore(graph), threads, steps, given);

/** The same of a forward pass over weights that stay as they are: what follows from them alone has been made. */
export function onceRunner(
  graph: Graph,
  threads: number,
  given: Readonly<Record<string, Int32Array | Float32Array>> = {},
): () => void {
  const { once, each, made } = splitOnce(optimize(graph));
  const store = startedStore(graph);
  for (const { name, type } of made) store.write(name, type.dtype, type.shape, null);
  const [first, rest] = [once, each].map((half) => makePlan(half, { ops: OPS }));
  prepare(first!.bytes).runSync(store, [], { steps: 1, threads });
  return bound(rest!, rest!.bytes, store, threads, 1, given);
}

function startedStore(graph: Graph): Store {
  const store = openStore();
  const leaves = storeLeavesOf(graph);
  for (const leaf of leaves) store.write(leaf.name, 'f32', leaf.type.shape, null);
  if (leaves.length > 0) {
    prepare(makePlan(optimize(initialGraph(leaves, 0)), { ops: OPS }).bytes).runSync(store, [], { steps: 1 });
  }
  return store;
}

function bound(
  plan: Plan,
  bytes: Uint8Array,
  store: Store,
  threads: number,
  steps: number,
  given: Readonly<Record<string, Int32Array | Float32Array>>,
): () => void {
  const prepared = prepare(bytes);
  const externals = plan.externals.map((e) => given[e.name] ?? normal(numel(e.type.shape) * (e.perStep ? steps : 1)));
  return () => void prepared.runSync(store, externals, { steps, threads });
}

/** What is built from the inputs, one value or several, as outputs. */
export function forward(
  inputs: readonly TensorType[],
  build: (b: GraphBuilder, x: readonly Value[]) => Value | readonly Value[],
): Graph {
  const b = graphBuilder({ mode: 'train', seed: 0 });
  const values = inputs.map((t, i) => b.input(`in${i}`, t));
  return b.finish([build(b, values)].flat().map((value, i) => ({ name: `y${i}`, value })));
}

/** Forward and the gradients of the inputs (of the first so many), for a gradient of the output that is given. */
export function forwardBackward(
  inputs: readonly TensorType[],
  build: (b: GraphBuilder, x: readonly Value[]) => Value,
  trained = inputs.length,
): Graph {
  const b = graphBuilder({ mode: 'train', seed: 0 });
  const values = inputs.map((t, i) => b.input(`in${i}`, t));
  const y = build(b, values);
  const dy = b.input('dy', y.type);
  const flat = (v: Value): Value => b.one(reshape, [v], { dims: [numel(v.type.shape)] });
  const loss = b.one(sum, [b.one(mul, [flat(y), flat(dy)])], { axes: 1 });
  const grads = gradients(b, loss, values.slice(0, trained), { add, fill });
  return b.finish([{ name: 'y', value: y }, ...grads.map((value, i) => ({ name: `d${i}`, value: value! }))]);
}

export interface BothWays {
  /** FLOPs forward, as the plain way counts them. */
  readonly flop: number;
  /** FLOPs of the gradients, as a multiple of those forward: 2 unless said. */
  readonly backward?: number;
  /** The share of the FLOPs that the way with the fewest makes: 1 unless said. */
  readonly least?: number;
  /** So many inputs, the first, have gradients: all unless said. */
  readonly trained?: number;
}

/** Both of them as cases. `keep`: 1 where gradients are to be taken, else 0. */
export function forwardAndBackward(
  name: string,
  { flop, backward = 2, least = 1, trained }: BothWays,
  inputs: readonly TensorType[],
  build: (b: GraphBuilder, x: readonly Value[], keep: number) => Value,
  threads: number,
): readonly Case[] {
  const way = (part: string, times: number, graph: Graph): Case => ({
    name: `${name}/${part}`,
    flop: flop * times,
    least: { f32: flop * times * least, bf16: 0 },
    items: 0,
    steps: 1,
    run: runner(graph, threads),
  });
  const made = forward(inputs, (b, x) => build(b, x, 0));
  const trains = forwardBackward(inputs, (b, x) => build(b, x, 1), trained);
  return [way('fwd', 1, made), way('fwdbwd', 1 + backward, trains)];
}

import { gradients } from '../../src/autodiff/gradients.ts';
import { Random } from '../../src/base/philox.ts';
import { f32, numel } from '../../src/base/tensor-type.ts';
import type { TensorType } from '../../src/base/tensor-type.ts';
import { evaluate } from '../../src/ir/evaluate.ts';
import type { Builder, Mode } from '../../src/ir/builder.ts';
import { graphBuilder } from '../../src/ir/graph-builder.ts';
import type { Graph, Leaf, Value } from '../../src/ir/graph.ts';
import type { NdArray } from '../../src/ir/op.ts';
import { openStore } from '../../src/native/native.ts';
import { add, mul } from '../../src/ops/elementwise.ts';
import { fill } from '../../src/ops/random.ts';
import { sum } from '../../src/ops/reduce.ts';
import { lowerWeights } from '../../src/rewrite/rules/index.ts';
import { Runnable } from '../../src/train/session.ts';

export type Build = (b: Builder, inputs: readonly Value[]) => Value;
/** Values of inputs and of tensors of the store, by name. */
export type Values = ReadonlyMap<string, NdArray>;

/** Normal numbers; for i32 whole numbers from 0 to 2. */
export function draw(type: TensorType, random: Random, scale = 1): NdArray {
  const next = (): number => (type.dtype === 'i32' ? random.below(3) : Math.fround(scale * random.normal()));
  return { shape: type.shape, data: Float64Array.from({ length: numel(type.shape) }, next) };
}

export const valueOf =
  (values: Values) =>
  (leaf: Leaf): NdArray => {
    const found = values.get(leaf.name);
    if (!found) throw new Error(`no value for ${leaf.name}`);
    return found;
  };

/** Runs a graph on the addon; gives its outputs, and the tensors of the store after it. */
export async function runNative(graph: Graph, values: Values, threads = 2): Promise<ReadonlyMap<string, Float32Array>> {
  const store = openStore();
  const runnable = new Runnable(graph);
  const given: Record<string, Float32Array | Int32Array> = {};
  const stored: string[] = [];
  for (const leaf of graph.leaves) {
    const { data } = valueOf(values)(leaf);
    const array = leaf.type.dtype === 'i32' ? Int32Array.from(data) : Float32Array.from(data);
    if (leaf.kind === 'input') given[leaf.name] = array;
    else {
      store.write(leaf.name, leaf.type.dtype, leaf.type.shape, array);
      stored.push(leaf.name);
    }
  }
  try {
    const { arrays } = await runnable.run(store, given, { steps: 1, threads });
    const after = stored.map((name) => [name, new Float32Array(store.read(name).data)] as const);
    return new Map([...Object.entries(arrays as Record<string, Float32Array>), ...after]);
  } finally {
    runnable.close();
    void store.close();
  }
}

export interface Differentiated {
  readonly loss: Graph;
  readonly grads: Graph;
  readonly values: Map<string, NdArray>;
  /** What is differentiated by: parameters and inputs that are numbers. */
  readonly wrt: readonly string[];
}

/**
 * loss = <output, random weights> of a network in training, its gradient by every parameter and input (as a training step takes it: of products
 * that form no weight), and values for all leaves.
 */
export function differentiated(inputs: readonly TensorType[], build: Build, seed: string): Differentiated {
  const random = new Random('gradients', seed);
  const b = graphBuilder({ mode: 'train', seed: 5 });
  const given = inputs.map((type, i) => b.input(`x${i}`, type));
  const y = build(b, given);
  const product = b.one(mul, [y, b.input('weights', y.type)]);
  const loss = b.one(sum, [product], { axes: 2 ** y.type.shape.length - 1 });
  const wrt = [...b.params(), ...given.filter((v) => v.type.dtype === 'f32')];
  const [lowered] = b.changed([loss], lowerWeights);
  const grads = gradients(b, lowered!, wrt, { add, fill });
  const name = (v: Value): string => (v.source as Leaf).name;
  const outputs = wrt.flatMap((v, i) => (grads[i] ? [{ name: `d ${name(v)}`, value: grads[i] }] : []));
  const full = b.finish([...outputs, { name: 'loss', value: loss }]);
  const values = new Map<string, NdArray>();
  for (const leaf of full.leaves) {
    if (leaf.name === 'step') values.set('step', { shape: [1], data: Float64Array.of(3) });
    else if (leaf.kind === 'fixed' && leaf.init.kind === 'table')
      values.set(leaf.name, { shape: leaf.type.shape, data: Float64Array.from(leaf.init.values, Math.fround) });
    else if (/(scale|norms)$/.test(leaf.name)) values.set(leaf.name, shifted(draw(leaf.type, random, 0.2), 1));
    else values.set(leaf.name, draw(leaf.type, random, leaf.kind === 'param' ? 0.5 : 1));
  }
  const named = wrt.map(name).filter((_, i) => grads[i]);
  return {
    loss: { ...full, outputs: full.outputs.slice(-1), updates: [] },
    grads: { ...full, updates: [] },
    values,
    wrt: named,
  };
}

const shifted = (a: NdArray, by: number): NdArray => ({ ...a, data: Float64Array.from(a.data, (v) => v + by) });

/** Derivative of the loss by one element, by central differences in float64. */
export function centralDifference(d: Differentiated, name: string, at: number, step = 1e-5): number {
  const lossAt = (by: number): number => {
    const moved = new Map(d.values);
    const data = Float64Array.from(d.values.get(name)!.data);
    data[at]! += by;
    moved.set(name, { ...d.values.get(name)!, data });
    return evaluate(d.loss, valueOf(moved)).outputs.get('loss')!.data[0]!;
  };
  return (lossAt(step) - lossAt(-step)) / (2 * step);
}

/** Forward pass on the addon; `values` by name, what is missing is drawn. */
export async function forward(
  inputs: readonly TensorType[],
  build: Build,
  mode: Mode,
  known: Values = new Map(),
): Promise<ReadonlyMap<string, Float32Array>> {
  const random = new Random('forward');
  const b = graphBuilder({ mode, seed: 5 });
  const y = build(
    b,
    inputs.map((type, i) => b.input(`x${i}`, type)),
  );
  const graph = b.finish([{ name: 'y', value: y }]);
  const values = new Map(known);
  for (const leaf of graph.leaves) if (!values.has(leaf.name)) values.set(leaf.name, draw(leaf.type, random));
  return runNative(graph, values);
}

export const ones = (...shape: number[]): NdArray => ({
  shape: f32(...shape).shape,
  data: new Float64Array(numel(shape)).fill(1),
});

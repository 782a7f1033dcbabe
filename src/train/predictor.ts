import { numel } from '../base/tensor-type.ts';
import type { Shape, TensorType } from '../base/tensor-type.ts';
import type { StoredTensor } from '../data/safetensors.ts';
import type { Graph } from '../ir/graph.ts';
import { openStore } from '../native/native.ts';
import type { Store } from '../native/native.ts';
import type { OptimizeOptions } from '../rewrite/rules/index.ts';
import { orOutOfMemory } from './config.ts';
import type { Model } from './config.ts';
import { predictionGraph, storeLeavesOf } from './graphs.ts';
import type { StoreLeaf } from './graphs.ts';
import { forget, Forward } from './session.ts';
import { startStore } from './starts.ts';
import { checkTensors } from './tensors.ts';

const BATCH = 250;
/** Plans of other batch sizes that are kept. */
const KEPT = 4;

type Weights = ReadonlyMap<string, StoredTensor> | null;
type Input = Float32Array | Int32Array;

export interface PredictorOptions extends OptimizeOptions {
  readonly seed: number;
  readonly threads: number;
  /** Names where the weights are from. */
  readonly from?: string;
}

/** The forward pass alone over fixed weights: those given, or the starts of a seed. `close` frees native memory. */
export class Predictor {
  /** Shape of one example's output. */
  readonly outputShape: Shape;
  private readonly model: Model;
  private readonly store: Store = openStore();
  private readonly runs = new Map<number, Promise<Forward>>();
  private last: Promise<void> = Promise.resolve();
  private readonly options: PredictorOptions;
  private readonly leaves: readonly StoreLeaf[];
  private readonly weights: Weights;
  /** What the store has: leaves, and what was made of them; and what runs read of it. */
  private readonly held = new Set<string>();
  private readonly made = new Set<string>();
  private readonly reads = new Set<string>();
  /** Predictions in progress: they end before the memory goes. */
  private active = 0;
  private closed = false;

  private constructor(model: Model, graph: Graph, weights: Weights, options: PredictorOptions) {
    this.model = model;
    this.options = options;
    this.weights = weights;
    this.leaves = storeLeavesOf(graph);
    this.outputShape = graph.outputs[0]!.value.type.shape.slice(1);
  }

  /** Throws DataError where they are not those of the model. */
  static async create(model: Model, weights: Weights, options: PredictorOptions): Promise<Predictor> {
    const graph = predictionGraph(model, 1);
    const predictor = new Predictor(model, graph, weights, options);
    const { store, leaves, held } = predictor;
    try {
      if (weights) checkTensors(leaves, weights, options.from ?? '');
      await startStore(store, leaves, weights, options);
      for (const { name } of leaves) held.add(name);
    } catch (e) {
      predictor.close();
      throw orOutOfMemory(e);
    }
    return predictor;
  }

  private ready(batch: number): Promise<Forward> {
    let found = this.runs.get(batch);
    if (!found) {
      // One at a time: they share what they make.
      found = this.last.then(() => this.makeReady(batch));
      this.last = found.then(ignore, ignore);
      found.catch(() => this.runs.delete(batch));
      this.runs.set(batch, found);
      // Predictions in progress may hold those that go.
      const oldest = [...this.runs.keys()].filter((size) => size !== BATCH && size !== batch);
      for (const size of oldest.slice(0, Math.max(0, oldest.length - KEPT + 1))) this.runs.delete(size);
    }
    return found;
  }

  // Weights are there as long as they are needed: those that runs read in another form are forgotten.
  private async makeReady(batch: number): Promise<Forward> {
    const { store, options, weights } = this;
    const forward = new Forward(predictionGraph(this.model, batch), options);
    for (const name of forward.reads) this.reads.add(name);
    const isMade = forward.made.every((name) => this.made.has(name));
    const needed = new Set([...forward.reads, ...(isMade ? [] : forward.sources)]);
    const lacking = this.leaves.filter(({ name }) => needed.has(name) && !this.held.has(name));
    await startStore(store, lacking, weights, options);
    for (const { name } of lacking) this.held.add(name);
    if (!isMade) await forward.refresh(store, options.threads);
    for (const name of forward.made) this.made.add(name);
    const idle = [...this.held].filter((name) => !this.reads.has(name));
    forget(store, idle);
    for (const name of idle) this.held.delete(name);
    return forward;
  }

  /**
   * First output of each example: inputs are [examples, …] row-major, one array an input; the result is [examples, …outputShape]. Throws a RangeError
   * where a length is not a whole number of examples, a TypeError where the array is of another kind than the input.
   */
  async predict(inputs: readonly Input[]): Promise<Float32Array> {
    if (this.closed) throw new Error('the predictor is closed');
    const { inputs: declared } = this.model;
    const examples = examplesOf(declared, inputs);
    const widths = declared.map((i) => numel(i.type.shape));
    const width = numel(this.outputShape);
    const result = new Float32Array(examples * width);
    this.active++;
    try {
      for (let from = 0; from < examples; from += BATCH) {
        const batch = Math.min(BATCH, examples - from);
        const given = Object.fromEntries(
          declared.map((d, i) => [d.name, inputs[i]!.subarray(from * widths[i]!, (from + batch) * widths[i]!)]),
        );
        const { threads } = this.options;
        const forward = await this.ready(batch);
        const { arrays } = await forward.run(this.store, given, { steps: 1, threads });
        result.set(arrays['output0'] as Float32Array, from * width);
      }
    } finally {
      this.active--;
      if (this.closed) this.free();
    }
    return result;
  }

  /** Frees native memory, once predictions in progress have ended. */
  close(): void {
    this.closed = true;
    this.free();
  }

  private free(): void {
    if (this.active > 0) return;
    for (const run of this.runs.values()) run.then((r) => r.close(), ignore);
    this.runs.clear();
    void this.store.close();
  }
}

const ignore = (): void => {};

// How many examples the arrays hold: the same number in each.
function examplesOf(
  declared: readonly { readonly name: string; readonly type: TensorType }[],
  inputs: readonly Input[],
): number {
  if (inputs.length !== declared.length) {
    throw new RangeError(`predict takes one array an input, ${declared.length} of them; found ${inputs.length}`);
  }
  declared.forEach(({ name, type }, i) => {
    const wanted = type.dtype === 'i32' ? 'Int32Array' : 'Float32Array';
    const found = Object.prototype.toString.call(inputs[i]).slice(8, -1);
    if (found !== wanted) throw new TypeError(`${name}: expected a ${wanted}, found ${found}`);
    const width = numel(type.shape);
    if (inputs[i]!.length % width !== 0) {
      throw new RangeError(
        `${name}: expected a multiple of ${width} numbers, one example each, found ${inputs[i]!.length}`,
      );
    }
  });
  const counts = declared.map(({ type }, i) => inputs[i]!.length / numel(type.shape));
  const other = counts.findIndex((n) => n !== counts[0]);
  if (other >= 0) {
    const [first, name] = [declared[0]!.name, declared[other]!.name];
    throw new RangeError(`${first} holds ${counts[0]} examples, but ${name} holds ${counts[other]}`);
  }
  return counts[0]!;
}

import { numel } from '../base/tensor-type.ts';
import type { Shape, TensorType } from '../base/tensor-type.ts';
import type { StoredTensor } from '../data/safetensors.ts';
import { openStore } from '../native/native.ts';
import type { Store } from '../native/native.ts';
import type { OptimizeOptions } from '../rewrite/rules/index.ts';
import { orOutOfMemory } from './config.ts';
import type { Model } from './config.ts';
import { predictionGraph, storeLeavesOf } from './graphs.ts';
import { Runnable } from './session.ts';
import { startStore } from './starts.ts';
import { checkTensors } from './tensors.ts';

const BATCH = 250;
/** Plans of other batch sizes that are kept. */
const KEPT = 4;

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
  private readonly runs = new Map<number, Runnable>();
  private readonly options: PredictorOptions;
  /** Predictions in progress: they end before the memory goes. */
  private active = 0;
  private closed = false;

  private constructor(model: Model, outputShape: Shape, options: PredictorOptions) {
    this.model = model;
    this.options = options;
    this.outputShape = outputShape;
  }

  /** Throws DataError where they are not those of the model. */
  static async create(
    model: Model,
    weights: ReadonlyMap<string, StoredTensor> | null,
    options: PredictorOptions,
  ): Promise<Predictor> {
    const graph = predictionGraph(model, 1);
    const leaves = storeLeavesOf(graph);
    if (weights) checkTensors(leaves, weights, options.from ?? '');
    const predictor = new Predictor(model, graph.outputs[0]!.value.type.shape.slice(1), options);
    const { store } = predictor;
    try {
      await startStore(store, leaves, weights, options);
    } catch (e) {
      predictor.close();
      throw orOutOfMemory(e);
    }
    return predictor;
  }

  private runnable(batch: number): Runnable {
    let found = this.runs.get(batch);
    if (!found) {
      found = new Runnable(predictionGraph(this.model, batch), this.options);
      this.runs.set(batch, found);
      const oldest = [...this.runs.keys()].filter((size) => size !== BATCH && size !== batch);
      for (const size of oldest.slice(0, Math.max(0, oldest.length - KEPT + 1))) {
        this.runs.get(size)!.close();
        this.runs.delete(size);
      }
    }
    return found;
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
        const { arrays } = await this.runnable(batch).run(this.store, given, { steps: 1, threads });
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
    for (const run of this.runs.values()) run.close();
    this.runs.clear();
    void this.store.close();
  }
}

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

import { numel } from '../base/tensor-type.ts';
import type { Shape } from '../base/tensor-type.ts';
import type { StoredTensor } from '../data/safetensors.ts';
import { openStore } from '../native/native.ts';
import type { Store } from '../native/native.ts';
import type { Model } from './config.ts';
import { initialGraph, predictionGraph, storeLeavesOf } from './graphs.ts';
import { Runnable } from './session.ts';

const BATCH = 250;

/** The forward pass alone over fixed weights: those given, or the starts of a seed. `close` frees native memory. */
export class Predictor {
  /** Shape of one example's output. */
  readonly outputShape: Shape;
  private readonly model: Model;
  private readonly store: Store = openStore();
  private readonly runs = new Map<number, Runnable>();
  private readonly threads: number;

  private constructor(model: Model, threads: number) {
    this.model = model;
    this.threads = threads;
    this.outputShape = this.runnable(1)
      .plan.externals.find((e) => e.name === 'output0')!
      .type.shape.slice(1);
  }

  static async create(
    model: Model,
    weights: ReadonlyMap<string, StoredTensor> | null,
    options: { readonly seed: number; readonly threads: number },
  ): Promise<Predictor> {
    const predictor = new Predictor(model, options.threads);
    const { store } = predictor;
    const leaves = storeLeavesOf(predictionGraph(model, 1));
    for (const leaf of leaves) {
      const given = weights?.get(leaf.name);
      const { bytes } = given ?? { bytes: null };
      const data = bytes && new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
      store.write(leaf.name, 'f32', leaf.type.shape, data);
    }
    if (!weights) {
      const start = new Runnable(initialGraph(leaves, options.seed));
      await start.run(store, {}, { steps: 1, threads: options.threads });
      start.close();
    }
    return predictor;
  }

  private runnable(batch: number): Runnable {
    let found = this.runs.get(batch);
    if (!found) {
      found = new Runnable(predictionGraph(this.model, batch));
      this.runs.set(batch, found);
    }
    return found;
  }

  /**
   * First output of each example: inputs are [examples, …] row-major, one array an input; the result is [examples, …outputShape]. Throws a RangeError
   * where a length is not a whole number of examples.
   */
  async predict(inputs: readonly (Float32Array | Int32Array)[]): Promise<Float32Array> {
    const { inputs: declared } = this.model;
    if (inputs.length !== declared.length) {
      throw new RangeError(`predict takes ${declared.length} arrays, one an input; found ${inputs.length}`);
    }
    const widths = declared.map((i) => numel(i.type.shape));
    const examples = inputs[0]!.length / widths[0]!;
    inputs.forEach((array, i) => {
      const { name, type } = declared[i]!;
      const right = type.dtype === 'i32' ? array instanceof Int32Array : array instanceof Float32Array;
      if (!right) throw new TypeError(`${name}: expected ${type.dtype === 'i32' ? 'an Int32Array' : 'a Float32Array'}`);
      if (array.length !== examples * widths[i]! || !Number.isInteger(examples)) {
        throw new RangeError(
          `${name}: expected a multiple of ${widths[i]} numbers, one example each, found ${array.length}`,
        );
      }
    });
    const width = numel(this.outputShape);
    const result = new Float32Array(examples * width);
    for (let from = 0; from < examples; from += BATCH) {
      const batch = Math.min(BATCH, examples - from);
      const given = Object.fromEntries(
        declared.map((d, i) => [d.name, inputs[i]!.slice(from * widths[i]!, (from + batch) * widths[i]!)]),
      );
      const out = await this.runnable(batch).run(this.store, given, { steps: 1, threads: this.threads });
      result.set(out['output0'] as Float32Array, from * width);
    }
    return result;
  }

  close(): void {
    for (const run of this.runs.values()) run.close();
    void this.store.close();
  }
}

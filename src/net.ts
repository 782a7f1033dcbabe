import { modelOf, trainConfigOf } from './compile.ts';
import { PRECISIONS } from './base/precision.ts';
import type { Precision } from './base/precision.ts';
import { SWITCH } from './base/switch.ts';
import type { Switch } from './base/switch.ts';
import type { Dataset } from './data/dataset.ts';
import { readSafetensors, writeSafetensors } from './data/safetensors.ts';
import type { StoredTensor } from './data/safetensors.ts';
import { defaultThreads } from './native/native.ts';
import type { Assignment } from './space/assignment.ts';
import type { Space } from './space/space.ts';
import { predictionGraph, storeLeavesOf } from './train/graphs.ts';
import { Predictor } from './train/predictor.ts';
import { checkTensors } from './train/tensors.ts';
import { Trainer } from './train/trainer.ts';

/** How a network's products are made, in training and in predictions. What is left out is as the program's `train` says. */
export interface Arithmetic {
  /** `bf16`: products of matrices round their operands to bf16, which is faster where the CPU has AVX512-BF16; weights and sums stay f32. */
  readonly precision?: Precision;
  /** `off`: convolutions without Winograd's transforms, which are faster and less exact. */
  readonly winograd?: Switch;
}

export interface BuildOptions extends Arithmetic {
  /** Only `cpu`. */
  readonly device?: 'cpu';
  /** Of the starting weights, the order of examples and dropout: a whole number, 0 unless given. */
  readonly seed?: number;
  /** All cores unless given. Results do not depend on it. */
  readonly threads?: number;
}

/** Its arithmetic holds from here on: predictions are made as the net was trained. */
export interface FitOptions extends Arithmetic {
  /** What the program's `train` says unless given. */
  readonly epochs?: number;
  readonly batch?: number;
  /** Ends the run after the step in progress; `fit` then throws the signal's reason. The net keeps the weights of the last whole epoch. */
  readonly signal?: AbortSignal;
}

/** Figures after an epoch, on the validation split: `loss`, `train_loss`, and `accuracy` (0 to 1) where labels are classes. */
export interface FitEvent {
  /** From 1. */
  readonly epoch: number;
  /** Updates of the weights so far. */
  readonly step: number;
  readonly seconds: number;
  readonly loss: number;
  readonly train_loss: number;
  readonly accuracy?: number;
}

function wholeFrom(min: number, name: string, value: number): number {
  if (!Number.isSafeInteger(value) || value < min)
    throw new RangeError(`${name}: expected a whole number from ${min}, found ${value}`);
  return value;
}

function oneOf<W extends string>(words: readonly W[], name: string, value: W): W {
  if (!words.includes(value)) throw new RangeError(`${name}: expected ${words.join(' or ')}, found ${value}`);
  return value;
}

const arithmeticOf = (options: Arithmetic, otherwise: Required<Arithmetic>): Required<Arithmetic> => ({
  precision: oneOf(PRECISIONS, 'precision', options.precision ?? otherwise.precision),
  winograd: oneOf(SWITCH, 'winograd', options.winograd ?? otherwise.winograd),
});

/** One architecture with weights: the starts of its seed until `fit` or `load`. `close` frees native memory. */
export class Net {
  private readonly space: Space;
  private readonly assignment: Assignment;
  private readonly seed: number;
  private readonly threads: number;
  private arithmetic: Required<Arithmetic>;
  private weights: ReadonlyMap<string, StoredTensor> | null = null;
  private predictor: Promise<Predictor> | null = null;
  private fitting = false;
  private closed = false;

  constructor(space: Space, assignment: Assignment, options: BuildOptions) {
    if (options.device !== undefined && options.device !== 'cpu') {
      throw new RangeError(`there is no device ${String(options.device)}; there is cpu`);
    }
    this.space = space;
    this.assignment = assignment;
    this.seed = wholeFrom(0, 'seed', options.seed ?? 0);
    this.threads = wholeFrom(1, 'threads', options.threads ?? defaultThreads());
    this.arithmetic = arithmeticOf(options, space.train);
  }

  private checkOpen(): void {
    if (this.closed) throw new Error('the net is closed');
  }

  /**
   * Trains from the present weights by the program's `train` (its defaults where it has none); an event after each epoch, and what the net predicts
   * from then on is that epoch's. Throws DataError where the data do not fit, TrainError (`cause_`: nan, memory or error) where training cannot go on.
   */
  async *fit(data: Dataset, options: FitOptions = {}): AsyncGenerator<FitEvent> {
    this.checkOpen();
    if (this.fitting) throw new Error('the net is being trained already: one fit at a time');
    const arithmetic = arithmeticOf(options, this.arithmetic);
    this.fitting = true;
    let trainer: Trainer | null = null;
    try {
      const config = trainConfigOf(this.space, this.assignment, { ...options, ...arithmetic, seed: this.seed });
      trainer = await Trainer.create(modelOf(this.space, this.assignment), data, config, {
        threads: this.threads,
        ...(options.signal ? { signal: options.signal } : {}),
      });
      if (this.weights) trainer.take(this.weights, 'this net');
      for await (const { epoch, step, seconds, figures } of trainer.epochs()) {
        this.checkOpen();
        this.arithmetic = arithmetic;
        this.become(trainer.tensors());
        yield { epoch, step, seconds, ...figures } as FitEvent;
        this.checkOpen();
      }
    } finally {
      this.fitting = false;
      trainer?.close();
    }
  }

  private become(weights: ReadonlyMap<string, StoredTensor>): void {
    this.weights = weights;
    this.forget();
  }

  // A prediction in progress ends on the weights that it began with.
  private forget(): void {
    this.predictor?.then(
      (p) => p.close(),
      () => {},
    );
    this.predictor = null;
  }

  /**
   * First output of each example, row-major [examples, …]. One array an input, row-major [examples, …]: a Float32Array for `f32`, an Int32Array for
   * `i32`. Throws a RangeError where a length is not a whole number of examples, a TypeError for another kind of array.
   */
  async predict(...inputs: readonly (Float32Array | Int32Array)[]): Promise<Float32Array> {
    this.checkOpen();
    // Begins in the order of the calls: a predictor that is let go of meanwhile closes after this.
    return this.ready().then((p) => p.predict(inputs));
  }

  private ready(): Promise<Predictor> {
    if (this.predictor) return this.predictor;
    const { seed, threads, arithmetic } = this;
    const options = { seed, threads, ...arithmetic };
    const made = Predictor.create(modelOf(this.space, this.assignment), this.weights, options);
    this.predictor = made;
    made.catch(() => {
      if (this.predictor === made) this.predictor = null;
    });
    return made;
  }

  /** Writes the weights as safetensors, whole or not at all; names are the paths of the language. There are none to write before `fit` or `load`. */
  save(path: string): void {
    this.checkOpen();
    if (!this.weights) throw new Error('there are no weights to save yet: fit or load first');
    writeSafetensors(path, { tensors: this.weights, metadata: {} });
  }

  /** Takes the weights of a file. Throws DataError where there is no such file, or where a tensor is missing or of another shape. */
  load(path: string): void {
    this.checkOpen();
    const { tensors } = readSafetensors(path);
    const leaves = storeLeavesOf(predictionGraph(modelOf(this.space, this.assignment), 1)).filter(
      (l) => l.kind !== 'fixed',
    );
    checkTensors(leaves, tensors, path);
    this.become(new Map(leaves.map((l) => [l.name, tensors.get(l.name)!])));
  }

  /** Frees native memory, once predictions in progress have ended; the net cannot be used any more. */
  close(): void {
    this.closed = true;
    this.forget();
  }
}

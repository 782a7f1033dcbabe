import { modelOf, trainConfigOf } from './compile.ts';
import type { Dataset } from './data/dataset.ts';
import { readSafetensors, writeSafetensors } from './data/safetensors.ts';
import type { StoredTensor } from './data/safetensors.ts';
import { defaultThreads } from './native/native.ts';
import type { Assignment, Space } from './space/space.ts';
import { Predictor } from './train/predictor.ts';
import { Trainer } from './train/trainer.ts';

export interface BuildOptions {
  /** Only `cpu`. */
  readonly device?: 'cpu';
  readonly seed?: number;
  readonly threads?: number;
}

export interface FitOptions {
  readonly epochs?: number;
  readonly batch?: number;
  readonly signal?: AbortSignal;
}

/** Figures after an epoch, on the validation split: `loss`, `train_loss`, and `accuracy` where labels are classes. */
export interface FitEvent {
  readonly epoch: number;
  readonly step: number;
  readonly seconds: number;
  readonly loss: number;
  readonly train_loss: number;
  readonly accuracy?: number;
}

/** One architecture with weights. `close` frees native memory. */
export class Net {
  private readonly space: Space;
  private readonly assignment: Assignment;
  private readonly seed: number;
  private readonly threads: number;
  private weights: ReadonlyMap<string, StoredTensor> | null = null;
  private predictor: Predictor | null = null;

  constructor(space: Space, assignment: Assignment, options: BuildOptions) {
    if (options.device !== undefined && options.device !== 'cpu') {
      throw new RangeError(`there is no device ${String(options.device)}; there is cpu`);
    }
    this.space = space;
    this.assignment = assignment;
    this.seed = options.seed ?? 0;
    this.threads = options.threads ?? defaultThreads();
  }

  /** Trains from the present weights by the program's `train` (its defaults where it has none); an event after each epoch. */
  async *fit(data: Dataset, options: FitOptions = {}): AsyncGenerator<FitEvent> {
    const config = trainConfigOf(this.space, this.assignment, { ...options, seed: this.seed });
    const trainer = await Trainer.create(modelOf(this.space, this.assignment), data, config, {
      threads: this.threads,
      ...(options.signal ? { signal: options.signal } : {}),
    });
    try {
      if (this.weights) trainer.take(this.weights, 'this net');
      for await (const { epoch, step, seconds, figures } of trainer.epochs()) {
        this.become(trainer.tensors());
        yield { epoch, step, seconds, ...figures } as FitEvent;
      }
    } finally {
      trainer.close();
    }
  }

  private become(weights: ReadonlyMap<string, StoredTensor>): void {
    this.weights = weights;
    this.predictor?.close();
    this.predictor = null;
  }

  /** Outputs of examples [examples, …], row-major; one array an input. */
  async predict(...inputs: readonly (Float32Array | Int32Array)[]): Promise<Float32Array> {
    this.predictor ??= await Predictor.create(modelOf(this.space, this.assignment), this.weights, {
      seed: this.seed,
      threads: this.threads,
    });
    return this.predictor.predict(inputs);
  }

  /** Writes the weights as safetensors; there are none before `fit` or `load`. */
  save(path: string): void {
    if (!this.weights) throw new Error('there are no weights to save yet: fit or load first');
    writeSafetensors(path, { tensors: this.weights, metadata: {} });
  }

  /** Takes weights of a file; they are checked against the architecture when they are used. */
  load(path: string): void {
    this.become(readSafetensors(path).tensors);
  }

  close(): void {
    this.predictor?.close();
    this.predictor = null;
  }
}

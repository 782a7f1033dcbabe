import { PRECISIONS } from '../base/precision.ts';
import { SWITCH } from '../base/switch.ts';
import type { Column, Dataset, Table } from '../data/dataset.ts';
import { checkTable, width } from '../data/dataset.ts';
import { readSafetensors, writeSafetensors } from '../data/safetensors.ts';
import type { StoredTensor } from '../data/safetensors.ts';
import { DataError } from '../data/error.ts';
import { epochOrder, split } from '../data/split.ts';
import type { Split } from '../data/split.ts';
import { openStore } from '../native/native.ts';
import type { Store } from '../native/native.ts';
import { orOutOfMemory, recipesOf, TrainError } from './config.ts';
import type { Model, Recipes, TrainConfig } from './config.ts';
import { evaluationGraph, residentColumn, storeLeavesOf, trainGraph } from './graphs.ts';
import type { Part, StoreLeaf } from './graphs.ts';
import { startStore } from './starts.ts';
import { checkTensors, floatsOf } from './tensors.ts';
import { byOp, profileRows } from './profile.ts';
import type { ProfileRow } from './profile.ts';
import { forget, Forward, Runnable } from './session.ts';
import type { Arrays, Ran } from './session.ts';

/** Figures of a part of the data: `loss` and the loss's metrics, means over its examples. */
export type Figures = Readonly<Record<string, number>>;

export interface EpochReport {
  /** From 1. */
  readonly epoch: number;
  readonly epochs: number;
  /** Steps so far. */
  readonly step: number;
  /** On the validation split, and `train_loss`. */
  readonly figures: Figures;
  /** Of the epoch, validation included; of its training steps alone. */
  readonly seconds: number;
  readonly trainSeconds: number;
}

export interface TrainerOptions {
  readonly threads: number;
  readonly signal?: AbortSignal;
  /** Called a few times a second with the steps of the epoch. */
  readonly onProgress?: (done: number, total: number) => void;
  /** Times every op of the training steps, for `profile`. */
  readonly profile?: boolean;
}

const EVALUATION_BATCH = 250;
const PROGRESS_MS = 100;
/** Steps between two looks at the loss, so that a run that went wrong ends soon. */
const CHUNK = 100;

const isWhole = (n: number, from: number): boolean => Number.isSafeInteger(n) && n >= from;

function checkConfig({ batch, epochs, seed, precision = 'f32', winograd = 'on' }: TrainConfig): void {
  const say = (what: string, expected: string, found: number | string): never => {
    throw new TrainError('error', `${what}: expected ${expected}, found ${found}`);
  };
  if (!isWhole(batch, 1)) say('batch', 'a whole number from 1', batch);
  if (!isWhole(epochs, 0)) say('epochs', 'a whole number from 0', epochs);
  if (!isWhole(seed, 0)) say('seed', 'a whole number from 0', seed);
  if (!PRECISIONS.includes(precision)) say('precision', PRECISIONS.join(' or '), precision);
  if (!SWITCH.includes(winograd)) say('winograd', SWITCH.join(' or '), winograd);
}

/**
 * A training run: one store, a plan for the training step and plans for evaluation. Reproducible from (model, config, data): any number of threads gives the
 * same bits. `close` frees native memory.
 */
export class Trainer {
  readonly config: TrainConfig;
  readonly epochSteps: number;
  private readonly model: Model;
  private readonly data: Dataset;
  private readonly recipes: Recipes;
  private readonly split: Split;
  private readonly store: Store;
  private readonly step: Runnable;
  private readonly leaves: readonly StoreLeaf[];
  private readonly evaluations = new Map<string, Forward>();
  private readonly resident = new Set<string>();
  private readonly options: TrainerOptions;
  private stepsDone = 0;
  private readonly times: { readonly nanoseconds: Float64Array; steps: number };
  private closed = false;

  private constructor(model: Model, data: Dataset, config: TrainConfig, options: TrainerOptions) {
    this.model = model;
    this.data = data;
    this.config = config;
    this.options = options;
    checkConfig(config);
    if (typeof data?.train !== 'object') throw new TypeError('expected a data set, such as data.mnist()');
    checkTable(data.train, data.classes, data.name);
    if (data.test) checkTable(data.test, data.classes, data.name);
    this.recipes = recipesOf(config);
    this.split = split(data.train.examples, 0);
    if (this.split.validation.length === 0) {
      const { examples } = data.train;
      throw new TrainError('error', `${examples} examples leave none for validation: there must be at least 6`);
    }
    this.epochSteps = Math.floor(this.split.train.length / config.batch);
    if (this.epochSteps < 1) {
      throw new TrainError(
        'error',
        `a batch of ${config.batch} is more than the ${this.split.train.length} training examples`,
      );
    }
    const graph = trainGraph(model, this.recipes, this.part('train'), config.batch, config.seed);
    this.leaves = storeLeavesOf(graph);
    this.step = new Runnable(graph, config);
    this.times = { nanoseconds: new Float64Array(this.step.plan.steps.length), steps: 0 };
    this.store = openStore();
  }

  /**
   * Checks that model, data and config fit, and makes the starting weights. Throws DataError where the data do not fit, TrainError where the
   * config does not, or (`memory`) where there is no room.
   */
  static async create(model: Model, data: Dataset, config: TrainConfig, options: TrainerOptions): Promise<Trainer> {
    const trainer = new Trainer(model, data, config, options);
    try {
      await startStore(trainer.store, trainer.leaves, null, { seed: config.seed, threads: options.threads });
      trainer.makeResident('train', data.train);
    } catch (e) {
      trainer.close();
      throw orOutOfMemory(e);
    }
    return trainer;
  }

  private checkOpen(): void {
    if (this.closed) throw new TrainError('error', 'the training run is closed');
  }

  private part(name: 'train' | 'test'): Part {
    const table = name === 'train' ? this.data.train : this.data.test;
    if (!table) throw new DataError('missing', '', `the data set ${this.data.name} has no test set`);
    return { name, table, classes: this.data.classes };
  }

  private makeResident(part: string, table: Table): void {
    if (this.resident.has(part)) return;
    for (const c of [...table.features, table.label] satisfies readonly Column[]) {
      const { name, type } = residentColumn(part, c);
      this.store.write(name, type.dtype, [c.data.length / Math.max(1, width(c)), width(c)], c.data);
    }
    this.resident.add(part);
  }

  /**
   * Trains to the last epoch of the config, from where an aborted run or a loaded checkpoint stands; a report after each. Throws TrainError `nan`
   * where the loss is not finite any more, the signal's reason where it was aborted.
   */
  async *epochs(): AsyncGenerator<EpochReport> {
    const { epochs } = this.config;
    for (let epoch = Math.floor(this.stepsDone / this.epochSteps) + 1; epoch <= epochs; epoch++) {
      const started = performance.now();
      const trainLoss = await this.trainEpoch(epoch);
      const trainSeconds = (performance.now() - started) / 1000;
      const figures = await this.evaluate('validation');
      // The last update of an epoch can spoil the weights after the last loss of training was still finite.
      if (!Number.isFinite(figures['loss'])) {
        throw new TrainError('nan', `the loss on the validation split is ${figures['loss']} after epoch ${epoch}`);
      }
      const seconds = (performance.now() - started) / 1000;
      const all = { ...figures, train_loss: trainLoss };
      yield { epoch, epochs, step: this.stepsDone, figures: all, seconds, trainSeconds };
    }
  }

  private async trainEpoch(epoch: number): Promise<number> {
    const { batch, seed } = this.config;
    const order = epochOrder(this.split.train, batch, seed, epoch);
    const first = this.stepsDone % this.epochSteps;
    let total = 0;
    for (let from = first; from < this.epochSteps; from += CHUNK) {
      const steps = Math.min(CHUNK, this.epochSteps - from);
      const { loss } = await this.runSteps(order.subarray(from * batch, (from + steps) * batch), steps, from);
      const bad = loss!.findIndex((v) => !Number.isFinite(v));
      if (bad >= 0)
        throw new TrainError('nan', `the loss is ${loss![bad]} at step ${this.stepsDone - steps + bad + 1}`);
      for (const v of loss!) total += v;
    }
    return total / (this.epochSteps - first);
  }

  private async runSteps(
    index: Int32Array,
    steps: number,
    from: number,
  ): Promise<Readonly<Record<string, Float32Array>>> {
    const { onProgress } = this.options;
    const first = this.stepsDone;
    const given = {
      index,
      lr: this.rates(first, steps),
      step: Int32Array.from({ length: steps }, (_, i) => first + i),
    };
    const control = new Int32Array(new SharedArrayBuffer(8));
    const timer =
      onProgress && setInterval(() => onProgress(from + Atomics.load(control, 1), this.epochSteps), PROGRESS_MS);
    try {
      // Steps count also where the run is aborted: the weights have taken them.
      const figures = await this.stoppable(this.step, given, steps, control, (ran) => this.count(ran));
      onProgress?.(from + steps, this.epochSteps);
      return figures;
    } finally {
      clearInterval(timer);
    }
  }

  private count({ steps, nanoseconds }: Ran): void {
    this.stepsDone += steps;
    if (!nanoseconds) return;
    this.times.steps += steps;
    nanoseconds.forEach((ns, i) => (this.times.nanoseconds[i]! += ns));
  }

  /** What the ops of a training step cost, the slowest first; of the steps done so far with the option `profile`. */
  profile(key: typeof byOp = byOp): readonly ProfileRow[] {
    return profileRows(this.step.plan, this.times.nanoseconds, this.times.steps, key);
  }

  // One run that an abort ends after the step in progress; then it throws the reason.
  private async stoppable(
    runnable: Pick<Runnable, 'run'>,
    given: Arrays,
    steps: number,
    control: Int32Array,
    onDone: (ran: Ran) => void = () => {},
  ): Promise<Readonly<Record<string, Float32Array>>> {
    const { signal, threads, profile = false } = this.options;
    this.checkOpen();
    signal?.throwIfAborted();
    const stop = (): void => void Atomics.store(control, 0, 1);
    signal?.addEventListener('abort', stop);
    try {
      const ran = await runnable.run(this.store, given, { steps, threads, control, profile });
      onDone(ran);
      return ran.arrays as Readonly<Record<string, Float32Array>>;
    } finally {
      signal?.removeEventListener('abort', stop);
      signal?.throwIfAborted();
    }
  }

  private rates(first: number, steps: number): Float32Array {
    const { schedule, optimizer } = this.recipes;
    const base = optimizer.args['lr'] as number;
    const all = this.epochSteps * this.config.epochs;
    return Float32Array.from({ length: steps }, (_, i) => {
      const when = { step: first + i, steps: all, stepsPerEpoch: this.epochSteps };
      return base * schedule.def.factor(when, schedule.args);
    });
  }

  /** Figures on the validation split, or on the test set: means over all examples, the last and smaller batch included. */
  async evaluate(on: 'validation' | 'test'): Promise<Figures> {
    this.checkOpen();
    const part = on === 'test' ? this.part('test') : this.part('train');
    try {
      this.makeResident(part.name, part.table);
    } catch (e) {
      throw orOutOfMemory(e);
    }
    const rows = on === 'test' ? Int32Array.from({ length: part.table.examples }, (_, i) => i) : this.split.validation;
    if (rows.length === 0) throw new TrainError('error', `there are no examples for ${on}`);
    const whole = rows.length - (rows.length % EVALUATION_BATCH);
    const sums: Record<string, number> = {};
    for (const [index, batch] of [
      [rows.subarray(0, whole), EVALUATION_BATCH],
      [rows.subarray(whole), rows.length - whole],
    ] as const) {
      if (index.length === 0) continue;
      const out = await this.forward(this.evaluation(part, batch), { index }, index.length / batch);
      for (const [name, values] of Object.entries(out)) {
        for (const v of values) sums[name] = (sums[name] ?? 0) + v;
      }
    }
    return Object.fromEntries(Object.entries(sums).map(([name, sum]) => [name, sum / rows.length]));
  }

  private async forward(forward: Forward, given: Arrays, steps: number): ReturnType<typeof this.stoppable> {
    this.checkOpen();
    const control = new Int32Array(new SharedArrayBuffer(8));
    try {
      // Asked for in one turn, so that no training step comes in between.
      const made = forward.refresh(this.store, this.options.threads);
      const [out] = await Promise.all([this.stoppable(forward, given, steps, control), made]);
      return out;
    } finally {
      if (!this.closed) forget(this.store, forward.made);
    }
  }

  private evaluation(part: Part, batch: number): Forward {
    const key = `${part.name}:${batch}`;
    let found = this.evaluations.get(key);
    if (!found) {
      found = new Forward(evaluationGraph(this.model, this.recipes, part, batch), this.config);
      this.evaluations.set(key, found);
    }
    return found;
  }

  /** Parameters and state by path; with `all` the optimizer's slots too, and the step in the metadata. Fixed tensors are made anew from the program. */
  tensors(all = false): Map<string, StoredTensor> {
    this.checkOpen();
    const kept = this.leaves.filter((l) => l.kind !== 'fixed' && (all || l.kind !== 'slot'));
    return new Map(
      kept.map((l) => [
        l.name,
        { dtype: 'f32', shape: l.type.shape, bytes: new Uint8Array(this.store.read(l.name).data) },
      ]),
    );
  }

  /** A checkpoint: tensors, optimizer and step, written whole or not at all. Throws DataError where the file cannot be written. */
  save(path: string, metadata: Readonly<Record<string, string>> = {}): void {
    writeSafetensors(path, { tensors: this.tensors(true), metadata: { ...metadata, step: String(this.stepsDone) } });
  }

  /** Goes on from a checkpoint: tensors and step. */
  load(path: string): void {
    const { tensors, metadata } = readSafetensors(path);
    this.take(tensors, path);
    const step = Number(metadata['step'] ?? 0);
    this.stepsDone = Number.isSafeInteger(step) && step >= 0 ? step : 0;
  }

  /** Takes tensors: every parameter and state must be there, of its shape. Slots of the optimizer are taken where present. */
  take(tensors: ReadonlyMap<string, StoredTensor>, from: string): void {
    this.checkOpen();
    checkTensors(this.leaves, tensors, from);
    for (const leaf of this.leaves) {
      const found = leaf.kind === 'fixed' ? undefined : tensors.get(leaf.name);
      if (found) this.store.write(leaf.name, 'f32', leaf.type.shape, floatsOf(found));
    }
  }

  /** Frees native memory, once a run in progress has ended. */
  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.step.close();
    for (const e of this.evaluations.values()) e.close();
    void this.store.close();
  }
}

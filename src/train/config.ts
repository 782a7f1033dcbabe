import { LOSSES } from '../recipes/losses.ts';
import type { LossDef } from '../recipes/losses.ts';
import { OPTIMIZERS } from '../recipes/optimizers.ts';
import type { OptimizerDef } from '../recipes/optimizers.ts';
import { SCHEDULES } from '../recipes/schedules.ts';
import type { ScheduleDef } from '../recipes/schedules.ts';
import type { Numbers } from '../recipes/args.ts';
import type { Precision } from '../base/precision.ts';
import type { Switch } from '../base/switch.ts';
import type { Builder } from '../ir/builder.ts';
import type { TensorType } from '../base/tensor-type.ts';
import type { Value } from '../ir/graph.ts';

/** A recipe by name with decided arguments; what is left out takes its default. */
export interface Chosen {
  readonly name: string;
  readonly args: Numbers;
}

/** How a model is trained: everything decided. */
export interface TrainConfig {
  readonly loss: Chosen;
  readonly optimizer: Chosen;
  readonly schedule: Chosen;
  readonly batch: number;
  readonly epochs: number;
  readonly seed: number;
  /** Of the operands of products; left out: f32. */
  readonly precision?: Precision | undefined;
  /** Whether convolutions may be made by Winograd's transforms; left out: on. */
  readonly winograd?: Switch | undefined;
}

/** A network to train: types of its inputs without the batch axis, and one function over Builder. */
export interface Model {
  readonly inputs: readonly { readonly name: string; readonly type: TensorType }[];
  readonly build: (b: Builder, inputs: readonly Value[]) => readonly Value[];
}

/** Training cannot go on, or cannot start. */
export class TrainError extends Error {
  override readonly name = 'TrainError';
  readonly cause_: 'nan' | 'memory' | 'error';
  constructor(cause: TrainError['cause_'], message: string) {
    super(message);
    this.cause_ = cause;
  }
}

/** TrainError `memory` for what the addon, or Node for an array, says where memory runs out; any other error itself. */
export function orOutOfMemory(e: unknown): unknown {
  if (!(e instanceof Error)) return e;
  const native = (e as { code?: unknown }).code === 'TENON_NO_MEMORY';
  const array = e instanceof RangeError && /allocation failed|invalid array buffer length/i.test(e.message);
  return native || array ? new TrainError('memory', `this network does not fit into memory: ${e.message}`) : e;
}

/** The recipes themselves, with every argument filled in. */
export interface Recipes {
  readonly loss: LossDef;
  readonly optimizer: { readonly def: OptimizerDef; readonly args: Numbers };
  readonly schedule: { readonly def: ScheduleDef; readonly args: Numbers };
}

interface HasArgs {
  readonly args: readonly { readonly name: string; readonly default?: unknown }[];
}

const filled = (def: HasArgs, given: Numbers): Numbers =>
  Object.fromEntries(def.args.map((a) => [a.name, given[a.name] ?? (a.default as number)]));

function find<T>(table: ReadonlyMap<string, T>, what: string, name: string): T {
  const found = table.get(name);
  if (!found) throw new TrainError('error', `there is no ${what} ${name}; there are ${[...table.keys()].join(', ')}`);
  return found;
}

export function recipesOf(config: TrainConfig): Recipes {
  const optimizer = find(OPTIMIZERS, 'optimizer', config.optimizer.name);
  const schedule = find(SCHEDULES, 'schedule', config.schedule.name);
  return {
    loss: find(LOSSES, 'loss', config.loss.name),
    optimizer: { def: optimizer, args: filled(optimizer, config.optimizer.args) },
    schedule: { def: schedule, args: filled(schedule, config.schedule.args) },
  };
}

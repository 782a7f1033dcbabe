import type { TensorType } from '../base/tensor-type.ts';
import type { Attrs, OpDef } from './op.ts';
import type { Init, Value } from './graph.ts';
import type { Key } from '../base/philox.ts';

/** Layers build differently for training and inference (dropout, batch normalisation). */
export type Mode = 'train' | 'infer';

/** What a layer asks of its weight: its shape, and what its variance follows from. */
export interface WeightSpec {
  readonly shape: readonly number[];
  readonly fanIn: number;
  readonly fanOut: number;
  readonly start: Start;
}
/** he N(0, 2/fanIn), lecun N(0, 1/fanIn), xavier N(0, 2/(fanIn+fanOut)); a number is a standard deviation. */
export type Start = 'he' | 'lecun' | 'xavier' | number;

/** A weight expression: makes a weight of the asked shape and variance from free tensors (`full` is the weight itself). */
export interface WeightDef {
  readonly kind: 'weight';
  readonly name: string;
  readonly doc: string;
  readonly make: (b: Builder, path: string, spec: WeightSpec) => Value;
}

/**
 * What layers, weights and gradient rules are written against. `graph` makes nodes; `measure` runs the same functions and
 * sums parameters, state and cost. Shapes or arguments that do not fit throw `Unfit`.
 */
export interface Builder {
  readonly mode: Mode;
  /** Applies an op; gives all its outputs. */
  apply(op: OpDef, inputs: readonly (Value | null)[], attrs?: Attrs): readonly Value[];
  /** Applies an op and gives its first output. */
  one(op: OpDef, inputs: readonly (Value | null)[], attrs?: Attrs): Value;
  /** A trained tensor. `path` is relative to the current scope; the same full path twice is the same tensor (shapes must agree: else Unfit). */
  param(path: string, shape: readonly number[], init: Init): Value;
  /** A weight made by the weight expression in force (`full` unless a `via` says otherwise). */
  weight(path: string, spec: WeightSpec): Value;
  /** A kept but untrained f32 tensor, such as running statistics. */
  state(path: string, shape: readonly number[], init: Init): Value;
  /** Sets the next value of a state (in training). */
  update(state: Value, next: Value): void;
  /** Adds a scalar f32[1] to the training loss. */
  auxiliaryLoss(loss: Value): void;
  /** The number of the training step, i32[1]; fixed at 0 for inference. */
  step(): Value;
  /** A random key from the run's seed, the scope's path and `purpose`; each call at a path differs (its use is counted). */
  key(purpose: string): Key;
  /** Runs `body` with `path` appended to the scope (`''` leaves it). */
  scope<T>(path: string, body: () => T): T;
  /** A tensor of an input type, for measuring. */
  input(name: string, type: TensorType, perStep?: boolean): Value;
}

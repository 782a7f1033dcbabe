import type { Builder, Value, WeightSpec } from './core.ts';

export type { Builder, Mode, Start, WeightSpec } from './core.ts';

/** A weight expression: makes a weight of the asked shape and variance from free tensors (`full` is the weight itself). */
export interface WeightDef {
  readonly kind: 'weight';
  readonly name: string;
  readonly doc: string;
  readonly make: (b: Builder, path: string, spec: WeightSpec) => Value;
}

import type { Builder } from './builder.ts';
import type { Value } from './graph.ts';

/** A decided argument of a layer. `null` is the default "not given" of arguments that have none. */
export type ArgValue = number | string | boolean | readonly number[] | null;
export type Args = Readonly<Record<string, ArgValue>>;

/**
 * An argument of a layer. `values` says statically what is legal: the checker tests it over the whole domain of an open
 * argument (E2xx), the layer's `build` tests what depends on shapes (Unfit).
 */
export interface ArgDef {
  readonly name: string;
  readonly doc: string;
  readonly type: ArgType;
  /** Absent: the argument must be given. */
  readonly default?: ArgValue;
  /** May be given by position, in the order of the list; so may arguments without a default. The rest go by name. */
  readonly positional?: boolean;
  /** Several given by position are one list. */
  readonly spread?: boolean;
}
export type ArgType =
  | { readonly kind: 'whole'; readonly min: number; readonly max?: number }
  | {
      readonly kind: 'real';
      readonly min: number;
      readonly max: number;
      readonly openMin?: boolean;
      readonly openMax?: boolean;
      /** Words that may stand for a number. */
      readonly names?: readonly string[];
    }
  | { readonly kind: 'truth' }
  | { readonly kind: 'name'; readonly oneOf: readonly string[] }
  /** A whole number, or a list of one per spatial axis; or one of the names (`padding: same`). */
  | { readonly kind: 'wholes'; readonly min: number; readonly names?: readonly string[] }
  /** A range of axes, `a..b`: its value is [a, b]. */
  | { readonly kind: 'axes' };

/** What becomes of the width of the last axis. */
export type Widths = 'out' | 'kept';

/** The words that may stand for an argument's value. */
export const wordsOf = (type: ArgType): readonly string[] =>
  type.kind === 'name' ? type.oneOf : 'names' in type ? (type.names ?? []) : [];

/** A layer of the language: one function over Builder, used for shapes, cost, counting and graphs alike. */
export interface LayerDef {
  readonly kind: 'layer';
  readonly name: string;
  readonly doc: string;
  readonly args: readonly ArgDef[];
  /** How many tensors it takes: one, a list (`add`, `concat`), or exactly n given as arguments (`dot(u, v)`). */
  readonly takes: 'one' | 'list' | number;
  /** Whether it has weights (counts in `depth`). A function where it depends on the arguments. */
  readonly weighted: boolean;
  /** How many layers with weights it stands for on its longest path; 1 unless said. */
  readonly depth?: number;
  /**
   * Where, with these arguments, every width of the input's last axis fits, and sizes and costs are of degree one in it and in `out`: whether that width becomes the
   * argument `out` or is kept. Then few of many widths are measured, and members that differ in widths alone are counted together.
   */
  readonly widths?: (args: Args) => Widths | null;
  /** `inputs` has one value, or the list. Parameters are made under the builder's scope. Throws Unfit. */
  readonly build: (b: Builder, inputs: readonly Value[], args: Args) => Value;
}

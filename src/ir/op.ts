import type { DType, TensorType } from '../base/tensor-type.ts';
import type { Builder } from './builder.ts';
import type { Value } from './graph.ts';

/**
 * Kinds of attribute, each a fixed number of 8-byte words in a plan (little-endian):
 * `u32` and a choice (`{ oneOf }`, stored as its index) an integer word, `f32` a float64 word (rounded to f32 by the kernel),
 * `{ u32: n }` n integer words, `dims` nine words (rank, then eight sizes, the unused ones 0).
 */
export type AttrKind = 'u32' | 'f32' | 'dims' | { readonly oneOf: readonly string[] } | { readonly u32: number };
export type AttrValue = number | string | readonly number[];
export type Attrs = Readonly<Record<string, AttrValue>>;

/** FLOPs count multiply and add apart; macs are of products and convolutions only; flops includes 2 * macs. */
export interface Cost {
  readonly flops: number;
  readonly macs: number;
}

/** What a gradient rule sees. Reading a value marks it as kept for the backward pass; types may be asked freely. */
export interface GradContext {
  readonly builder: Builder;
  readonly attrs: Attrs;
  input(index: number): Value;
  output(index: number): Value;
  inputType(index: number): TensorType;
  outputType(index: number): TensorType;
  /** Gradient that flows into output `index`; null where none does. */
  dOutput(index: number): Value | null;
  /** Whether the gradient of input `index` is wanted. */
  wants(index: number): boolean;
  readonly inputCount: number;
}

/** A dense float64 array: what reference implementations read and write (i32 and u8 data too). */
export interface NdArray {
  readonly shape: readonly number[];
  readonly data: Float64Array;
}

/** One test case of an op: types of its inputs (null: an absent optional one) and attributes; `fill` names how its inputs are drawn. */
export interface Sample {
  readonly inputs: readonly (TensorType | null)[];
  readonly attrs?: Attrs;
  /** How input i is filled: default 'normal' for f32; index inputs say below what ('below:10'). */
  readonly fill?: readonly ('normal' | 'positive' | 'uniform' | `below:${number}` | null)[];
  readonly note?: string;
}

/** `gradient` none: the outputs are not differentiable (indices, updates). */
export interface OpDef {
  readonly kind: 'op';
  /** Snake case; the basename of the kernel and the prefix of `<name>_kernel`. */
  readonly name: string;
  readonly doc: string;
  /** Name -> type pattern: `f32[rows, in]`, `f32[...lead, c]`, `i32[1]`; a name ending in `?` is optional (absent: null), in `*` takes the rest of the inputs. */
  readonly inputs: Readonly<Record<string, string>>;
  readonly outputs: Readonly<Record<string, string>>;
  readonly attrs: Readonly<Record<string, AttrKind>>;
  /** Escape hatch where output shapes do not follow from patterns; throws Unfit. Such ops have a `check` in their kernel. */
  readonly infer?: (inputs: readonly (TensorType | null)[], attrs: Attrs) => readonly TensorType[];
  /** Inequalities that patterns cannot say: a message, or null where all is well. Such ops have a `check` in their kernel. */
  readonly check?: (inputs: readonly (TensorType | null)[], attrs: Attrs) => string | null;
  /** Gradients of the inputs (null: none), given those of the outputs. Absent where `decompose` is present or the op is not differentiable. */
  readonly grad?: (g: GradContext) => readonly (Value | null)[];
  /** Whether gradients stop here: true for ops whose outputs are indices, counts or updates. */
  readonly stopsGradient?: boolean;
  /** The same function in smaller ops: the meaning of a fused op. */
  readonly decompose?: (b: Builder, inputs: readonly (Value | null)[], attrs: Attrs) => readonly Value[];
  readonly cost: (inputs: readonly (TensorType | null)[], outputs: readonly TensorType[], attrs: Attrs) => Cost;
  /** Plain loops in float64. Fused ops may leave it out: their decomposition is the reference. */
  readonly reference?: (
    inputs: readonly (NdArray | null)[],
    attrs: Attrs,
    outputs: readonly TensorType[],
  ) => readonly NdArray[];
  readonly samples: readonly Sample[];
  /** Output i may stand in the memory of input inPlace[i] (null: never). */
  readonly inPlace?: readonly (number | null)[];
  /** The output is the input's memory under another shape: no kernel, no step. */
  readonly alias?: boolean;
}

/**
 * A parsed pattern: `lead` is the name of the leading group of dims, if any. In an output, a dim or a leading group that no input
 * binds is the attribute of that name (`f32[rows, width]` with `rows: u32`, `f32[...dims]` with `dims: dims`).
 */
export interface Pattern {
  readonly dtype: DType | 'any';
  readonly lead: string | null;
  readonly dims: readonly (string | number)[];
}

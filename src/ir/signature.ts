import type { DType, TensorType } from '../base/tensor-type.ts';

/** An attribute that is one of some words. */
export interface Choice {
  readonly oneOf: readonly string[];
  readonly default?: string;
}
/**
 * Kinds of attribute, each a fixed number of 8-byte words in a plan (little-endian):
 * `u32` and a choice (`{ oneOf }`, stored as its index; left out: its default, if it has one) an integer word, `f32` a float64 word (rounded to f32 by the kernel),
 * `{ u32: n }` n integer words, `dims` nine words (rank, then eight sizes, the unused ones 0).
 */
export type AttrKind = 'u32' | 'f32' | 'dims' | Choice | { readonly u32: number };
export type AttrValue = number | string | readonly number[];
export type Attrs = Readonly<Record<string, AttrValue>>;

/** FLOPs count multiply and add apart; macs are of products and convolutions only; flops includes 2 * macs. */
export interface Cost {
  readonly flops: number;
  readonly macs: number;
  /** Bytes read and written, where that is not every input and output once. */
  readonly bytes?: number;
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

/**
 * A parsed pattern: `lead` is the name of the leading group of dims, if any. In an output, a dim or a leading group that no input
 * binds is the attribute of that name (`f32[rows, width]` with `rows: u32`, `f32[...dims]` with `dims: dims`).
 */
export interface Pattern {
  readonly dtype: DType | 'any';
  readonly lead: string | null;
  readonly dims: readonly (string | number)[];
}

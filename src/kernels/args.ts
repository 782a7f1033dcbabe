import type { Key } from '../base/philox.ts';
import type { Value } from '../ir/graph.ts';
import { didYouMean } from '../base/nearest.ts';
import { badType, badValue, describe } from './error.ts';
import type { TensorLike } from './tensor.ts';

/** A tensor by its pattern, as in op records: `f32[...lead, C]`, `i32[rows]`. Sizes of one name agree over all of a kernel's tensors. */
export interface TensorArg<Optional extends boolean = boolean> {
  readonly kind: 'tensor';
  readonly pattern: string;
  readonly optional: Optional;
}
/** A list of tensors, null where one is absent; each of them has the pattern, with sizes of its own. */
export interface TensorsArg {
  readonly kind: 'tensors';
  readonly pattern: string;
  readonly optional: false;
}
/** Anything else: `read` checks it and gives what `build` sees. */
export interface OptionArg<Taken, Read, Optional extends boolean = boolean> {
  readonly kind: 'option';
  readonly optional: Optional;
  /** What is read where the caller gives nothing. */
  readonly default: Taken | undefined;
  readonly read: (value: unknown, argument: string) => Read;
}
// What an option takes stands in no place where a wider type would not do.
export type AnyArg = TensorArg | TensorsArg | OptionArg<unknown, unknown>;
export type Args = Readonly<Record<string, AnyArg>>;

/** What a caller writes. */
type Taken<A extends AnyArg> = A extends { kind: 'tensor'; pattern: `i32${string}` }
  ? TensorLike<Int32Array>
  : A extends { kind: 'tensor' }
    ? TensorLike
    : A extends { kind: 'tensors' }
      ? readonly (TensorLike | null)[]
      : A extends OptionArg<infer T, unknown>
        ? T
        : never;
// Over the keys of A themselves, so that an editor shows the comment of the table at the caller's argument.
export type Call<A extends Args> = {
  readonly [K in keyof A as A[K] extends { optional: false } ? K : never]: Taken<A[K]>;
} & {
  readonly [K in keyof A as A[K] extends { optional: false } ? never : K]?: Taken<A[K]> | null | undefined;
};

/** What `build` sees. */
type Read<A extends AnyArg> =
  A extends TensorArg<false>
    ? Value
    : A extends { kind: 'tensor' }
      ? Value | null
      : A extends { kind: 'tensors' }
        ? readonly (Value | null)[]
        : A extends OptionArg<unknown, infer R>
          ? R
          : never;
export type BuildArgs<A extends Args> = { readonly [K in keyof A]: Read<A[K]> };

export const tensorOf = <P extends string>(pattern: P): TensorArg<false> & { readonly pattern: P } => ({
  kind: 'tensor',
  pattern,
  optional: false,
});
export const maybe = <P extends string>(pattern: P): TensorArg<true> & { readonly pattern: P } => ({
  kind: 'tensor',
  pattern,
  optional: true,
});
export const tensorsOf = (pattern: string): TensorsArg => ({ kind: 'tensors', pattern, optional: false });

interface Option<Taken, Read> {
  readonly read: (value: unknown, argument: string) => Read;
  readonly default?: Taken | undefined;
}
/** An option of one's own; with a default, or `null` for one, it may be left out. */
function option<T, R>(o: Option<T, R> & { readonly default: T }): OptionArg<T, R, true>;
function option<T, R>(o: Option<T, R>): OptionArg<T, R, false>;
function option<T, R>({ read, default: d }: Option<T, R>): OptionArg<T, R> {
  return { kind: 'option', optional: d !== undefined, default: d, read };
}
export { option };

/** One of some names, the first of them unless it is said. */
export const choice = <const T extends string>(names: readonly T[], unless: NoInfer<T> = names[0]!) =>
  option<T, T>({ read: readChoice(names), default: unless });

const isWhole = (value: unknown, min: number, max: number): value is number =>
  Number.isSafeInteger(value) && (value as number) >= min && (value as number) <= max;

function readNumber(value: unknown, argument: string, fits: (n: number) => boolean, expected: string): number {
  if (typeof value !== 'number') throw badType(argument, expected, describe(value));
  if (!fits(value)) throw badValue(argument, expected, describe(value));
  return value + 0; // no -0
}

export const WHOLE_MAX = 2 ** 32 - 1;

/** Reads a whole number between bounds. */
export const readWhole =
  (min: number, max = WHOLE_MAX) =>
  (value: unknown, argument: string): number =>
    readNumber(value, argument, (n) => isWhole(n, min, max), `a whole number from ${min} to ${max}`);

/** Reads a finite number between bounds, both included. */
export const readReal =
  (min = -3e38, max = 3e38) =>
  (value: unknown, argument: string): number => {
    const expected = min === -3e38 && max === 3e38 ? 'a finite number' : `a number from ${min} to ${max}`;
    return readNumber(value, argument, (n) => n >= min && n <= max, expected);
  };

export const readChoice =
  <T extends string>(names: readonly T[]) =>
  (value: unknown, argument: string): T => {
    const expected = names.map((n) => `'${n}'`).join(', ');
    if (typeof value !== 'string') throw badType(argument, expected, describe(value));
    if (!names.includes(value as T)) throw badValue(argument, expected, describe(value), didYouMean(value, names));
    return value as T;
  };

export const readTruth = (value: unknown, argument: string): boolean => {
  if (typeof value !== 'boolean') throw badType(argument, 'true or false', describe(value));
  return value;
};

/** Reads a whole number, or one per axis: gives `count` of them. */
export function readWholes(value: unknown, argument: string, count: number, min: number): readonly number[] {
  if (!Array.isArray(value)) return new Array<number>(count).fill(readWhole(min)(value, argument));
  if (value.length !== count) throw badValue(argument, `a whole number, or ${count} of them`, describe(value));
  return Array.from(value, (v: unknown, i) => readWhole(min)(v, `${argument}[${i}]`));
}

/** A seed's low and high word. */
export const readSeed = (value: unknown, argument: string): Key => {
  const expected = 'a whole number from 0 on below 2^53, or a bigint below 2^64';
  if (typeof value !== 'number' && typeof value !== 'bigint') throw badType(argument, expected, describe(value));
  const fits = typeof value === 'bigint' ? value >= 0n && value < 1n << 64n : isWhole(value, 0, 2 ** 53);
  if (!fits) throw badValue(argument, expected, describe(value));
  const seed = BigInt(value);
  return [Number(seed & 0xffffffffn), Number(seed >> 32n)];
};

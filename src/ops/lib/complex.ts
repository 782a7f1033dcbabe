import type { Builder } from '../../ir/builder.ts';
import type { Value } from '../../ir/graph.ts';
import { add, affine, cos, div, exp, mul, neg, sin, square, sub, tanh } from '../elementwise.ts';
import { concat, reshape, slice } from '../shape.ts';

/** Complex numbers as two tensors. As inputs and outputs of ops they are pairs along a last axis of 2. */
export interface Complex {
  readonly re: Value;
  readonly im: Value;
}
type Algebra = Pick<Builder, 'one'>;

export const shaped = (b: Algebra, x: Value, dims: readonly number[]): Value => b.one(reshape, [x], { dims });
export const scaled = (b: Algebra, x: Value, scale: number, shift = 0): Value => b.one(affine, [x], { scale, shift });

/** f32[…s, 2] as two f32[…s]. */
export function split(b: Algebra, x: Value): Complex {
  const dims = x.type.shape.slice(0, -1);
  const part = (start: number): Value => shaped(b, b.one(slice, [x], { axis: dims.length, start, size: 1 }), dims);
  return { re: part(0), im: part(1) };
}

export function join(b: Algebra, { re, im }: Complex): Value {
  const dims = [...re.type.shape, 1];
  return b.one(concat, [shaped(b, re, dims), shaped(b, im, dims)], { axis: dims.length - 1 });
}

/** The real part of x·y. */
export const realOf = (b: Algebra, x: Complex, y: Complex): Value =>
  b.one(sub, [b.one(mul, [x.re, y.re]), b.one(mul, [x.im, y.im])]);
export const times = (b: Algebra, x: Complex, y: Complex): Complex => ({
  re: realOf(b, x, y),
  im: b.one(add, [b.one(mul, [x.re, y.im]), b.one(mul, [x.im, y.re])]),
});
/** Both parts through a function of real numbers. */
export const both = ({ re, im }: Complex, f: (x: Value) => Value): Complex => ({ re: f(re), im: f(im) });
export const plus = (b: Algebra, x: Complex, y: Complex): Complex => ({
  re: b.one(add, [x.re, y.re]),
  im: b.one(add, [x.im, y.im]),
});
export const conjugate = (b: Algebra, { re, im }: Complex): Complex => ({ re, im: b.one(neg, [im]) });
export function over(b: Algebra, x: Complex, y: Complex): Complex {
  const size = b.one(add, [b.one(square, [y.re]), b.one(square, [y.im])]);
  return both(times(b, x, conjugate(b, y)), (part) => b.one(div, [part, size]));
}

export function expOf(b: Algebra, { re, im }: Complex): Complex {
  const size = b.one(exp, [re]);
  return { re: b.one(mul, [size, b.one(cos, [im])]), im: b.one(mul, [size, b.one(sin, [im])]) };
}
/** e^x − 1, as exact near 0: (e^a − 1)·cos b − 2·sin²(b/2) + i·e^a·sin b. */
export function expm1Of(b: Algebra, x: Complex): Complex {
  const t = b.one(tanh, [scaled(b, x.re, 0.5)]);
  const less = b.one(div, [scaled(b, t, 2), scaled(b, t, -1, 1)]);
  const half = b.one(square, [b.one(sin, [scaled(b, x.im, 0.5)])]);
  const re = b.one(add, [b.one(mul, [less, b.one(cos, [x.im])]), scaled(b, half, -2)]);
  return { re, im: expOf(b, x).im };
}

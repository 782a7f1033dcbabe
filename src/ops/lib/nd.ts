import { numel } from '../../base/tensor-type.ts';
import type { Shape } from '../../base/tensor-type.ts';
import type { NdArray } from '../../ir/op.ts';

/** Arrays of the reference implementations: float64, row-major, dense. */
export const ndArray = (shape: Shape, data = new Float64Array(numel(shape))): NdArray => ({ shape, data });

export const mapArray = (a: NdArray, fn: (x: number) => number): NdArray =>
  ndArray(
    a.shape,
    a.data.map((x) => fn(x)),
  );

/** Steps in memory, in elements, between neighbours along each axis of a row-major array. */
export function stridesOf(shape: Shape): number[] {
  const strides = new Array<number>(shape.length);
  let step = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    strides[axis] = step;
    step *= shape[axis]!;
  }
  return strides;
}

/** Strides of an array of `shape` seen as one of shape `seen` (numpy broadcasting): 0 along repeated axes. */
export function broadcastStrides(shape: Shape, seen: Shape): number[] {
  const strides = stridesOf(shape);
  const lead = seen.length - shape.length;
  return seen.map((size, axis) =>
    axis < lead || (shape[axis - lead] === 1 && size !== 1) ? 0 : strides[axis - lead]!,
  );
}

/** offset + Σ index·stride, for every index of `shape` in row-major order. */
export function offsetsOf(shape: Shape, strides: readonly number[], offset = 0): Float64Array {
  const total = numel(shape);
  const out = new Float64Array(total);
  const index = new Array<number>(shape.length).fill(0);
  let at = offset;
  for (let i = 0; i < total; i++) {
    out[i] = at;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      at += strides[axis]!;
      if (++index[axis]! < shape[axis]!) break;
      at -= index[axis]! * strides[axis]!;
      index[axis] = 0;
    }
  }
  return out;
}

/** The array of `shape` whose element i is data[offsets[i]]. */
export function gather(shape: Shape, data: Float64Array, offsets: Float64Array): NdArray {
  const out = ndArray(shape);
  for (let i = 0; i < out.data.length; i++) out.data[i] = data[offsets[i]!]!;
  return out;
}

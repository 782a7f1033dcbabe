import { numel } from '../../base/tensor-type.ts';
import type { Shape, TensorType } from '../../base/tensor-type.ts';
import { Unfit } from '../../base/unfit.ts';
import type { NdArray } from '../../ir/op.ts';

type Types = readonly (TensorType | null | undefined)[];

/** The type of input `index`, which is not optional. */
export function typeAt(types: Types, index: number): TensorType {
  const type = types[index];
  if (!type) throw new Error(`bug: input ${index} is absent`);
  return type;
}

export const shapeAt = (types: Types, index: number): Shape => typeAt(types, index).shape;
export const numelAt = (types: Types, index: number): number => numel(shapeAt(types, index));

/** The array of input `index`, which is not optional. */
export function arrayAt(arrays: readonly (NdArray | null)[], index: number): NdArray {
  const array = arrays[index];
  if (!array) throw new Error(`bug: input ${index} is absent`);
  return array;
}

/** `shape[axis]`, for an axis that is there. */
export function dim(shape: Shape, axis: number): number {
  const size = shape[axis];
  if (size === undefined) throw new Error(`bug: no axis ${axis} in a shape of rank ${shape.length}`);
  return size;
}

export const showShape = (shape: readonly number[]): string => `[${shape.join(', ')}]`;

/** Throws Unfit unless `axis` is one of the shape's. */
export function checkAxis(shape: Shape, axis: number): void {
  if (axis < shape.length) return;
  throw new Unfit(`axis ${axis} of a tensor of rank ${shape.length}`, `an axis below ${shape.length}`, String(axis));
}

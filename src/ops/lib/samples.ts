import { f32 } from '../../base/tensor-type.ts';
import type { Sample } from '../../ir/op.ts';

/** Sizes around the widths of vectors, and 0 and 1. */
export const ODD_SIZES = [0, 1, 2, 7, 8, 15, 16, 17, 31, 33, 63, 65] as const;

/** Shapes for ops that work element by element: every rank from 0, odd sizes, nothing, and enough to be cut into tasks. */
export const SHAPES: readonly (readonly number[])[] = [
  [],
  ...ODD_SIZES.map((n) => [n]),
  [3, 5],
  [2, 3, 4, 5],
  [2, 1, 2, 1, 2, 1, 2, 3],
  [0, 4],
  [7, 15013],
];

/** The same shape for each of `inputs` inputs, all filled the same way. */
export function elementwiseSamples(inputs: number, fill: NonNullable<NonNullable<Sample['fill']>[number]>): Sample[] {
  return SHAPES.map((shape) => ({
    inputs: new Array(inputs).fill(f32(...shape)),
    fill: new Array(inputs).fill(fill),
  }));
}

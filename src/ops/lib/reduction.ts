import { f32 } from '../../base/tensor-type.ts';
import type { Shape } from '../../base/tensor-type.ts';
import { Unfit } from '../../base/unfit.ts';
import type { Sample } from '../../ir/op.ts';
import { showShape } from './types.ts';

/** `shape` with size 1 along the axes whose bits are set. Throws Unfit for bits of axes that are not there. */
export function reducedShape(shape: Shape, axes: number): number[] {
  if (axes < 2 ** shape.length) return shape.map((d, axis) => ((axes >>> axis) & 1 ? 1 : d));
  const expected = `bits of the axes 0 to ${shape.length - 1}`;
  throw new Unfit(`reduction of ${showShape(shape)} over axes that are not there`, expected, `0b${axes.toString(2)}`);
}

export const REDUCTION_SAMPLES: readonly Sample[] = [
  { inputs: [f32()], attrs: { axes: 0 } },
  { inputs: [f32(5)], attrs: { axes: 0 }, note: 'no axis' },
  ...[1, 2, 15, 16, 17, 31, 33, 63, 65, 1000].map((n) => ({ inputs: [f32(n)], attrs: { axes: 1 } })),
  { inputs: [f32(3, 17)], attrs: { axes: 2 } },
  { inputs: [f32(17, 3)], attrs: { axes: 1 } },
  { inputs: [f32(17, 3)], attrs: { axes: 3 } },
  { inputs: [f32(0, 7)], attrs: { axes: 2 }, note: 'no rows' },
  { inputs: [f32(2, 3, 4)], attrs: { axes: 2 }, note: 'the axis in the middle' },
  { inputs: [f32(3, 33, 5)], attrs: { axes: 5 }, note: 'all but the axis in the middle' },
  { inputs: [f32(2, 3, 4, 5)], attrs: { axes: 6 } },
  { inputs: [f32(2, 3, 4, 5)], attrs: { axes: 9 } },
  { inputs: [f32(2, 1, 2, 3, 1, 2, 2, 2)], attrs: { axes: 0b10101010 } },
  { inputs: [f32(1501, 65)], attrs: { axes: 1 }, note: 'the gradient of a bias' },
  { inputs: [f32(65, 1501)], attrs: { axes: 2 } },
  { inputs: [f32(100003)], attrs: { axes: 1 } },
];

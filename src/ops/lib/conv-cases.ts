import { f32 } from '../../base/tensor-type.ts';
import type { TensorType } from '../../base/tensor-type.ts';
import type { Attrs } from '../../ir/op.ts';
import { geometry, yShape } from './convolution.ts';

const cubed = (values: readonly number[], fill: number): number[] => [
  ...new Array<number>(3 - values.length).fill(fill),
  ...values,
];

interface Case {
  readonly batch?: number;
  readonly size: readonly number[];
  readonly channels: number;
  readonly out: number;
  readonly kernel: readonly number[];
  readonly stride?: readonly number[];
  readonly before?: readonly number[];
  readonly after?: readonly number[];
  readonly dilation?: readonly number[];
  readonly groups?: number;
}
// Lists shorter than three are of the last axes.
const CASES: readonly Case[] = [
  { size: [5], channels: 3, out: 4, kernel: [3] },
  { size: [17], channels: 1, out: 1, kernel: [1] },
  { size: [5, 6], channels: 2, out: 3, kernel: [3, 3], before: [1, 1], after: [1, 1] },
  { size: [7, 5], channels: 3, out: 5, kernel: [3, 2], stride: [2, 1], before: [0, 1], after: [1, 0] },
  { size: [6, 7], channels: 4, out: 2, kernel: [2, 3], dilation: [2, 2], before: [2, 0], after: [1, 3] },
  { size: [8, 8], channels: 4, out: 6, kernel: [3, 3], groups: 2, before: [1, 1], after: [1, 1] },
  { size: [5, 5], channels: 17, out: 17, kernel: [3, 3], groups: 17, before: [1, 1], after: [1, 1] },
  { size: [5, 5], channels: 3, out: 6, kernel: [3, 3], groups: 3, stride: [2, 2], dilation: [2, 1] },
  { size: [4, 5, 6], channels: 2, out: 3, kernel: [2, 3, 2], stride: [1, 2, 3], before: [1, 1, 0], after: [0, 1, 1] },
  { size: [3, 3], channels: 15, out: 33, kernel: [1, 1] },
  { size: [5, 3], channels: 31, out: 16, kernel: [1, 1], stride: [2, 2] },
  { size: [3, 4], channels: 65, out: 17, kernel: [3, 3], before: [1, 1], after: [1, 1] },
  { size: [1, 1], channels: 2, out: 2, kernel: [3, 3], before: [1, 1], after: [1, 1] },
  { size: [4, 4], channels: 2, out: 2, kernel: [2, 2], before: [5, 4], after: [4, 5] },
  { batch: 0, size: [4, 4], channels: 2, out: 3, kernel: [2, 2] },
  { batch: 1, size: [28, 28], channels: 1, out: 6, kernel: [5, 5], before: [2, 2], after: [2, 2] },
  { batch: 3, size: [14, 14], channels: 6, out: 16, kernel: [5, 5] },
  { batch: 2, size: [33, 31], channels: 3, out: 32, kernel: [3, 3], stride: [2, 2], before: [1, 1], after: [0, 0] },
  { batch: 2, size: [16, 16], channels: 64, out: 63, kernel: [3, 3], before: [1, 1], after: [1, 1] },
  { batch: 4, size: [20, 20], channels: 65, out: 65, kernel: [3, 3], groups: 65, before: [1, 1], after: [1, 1] },
  { batch: 30, size: [31], channels: 33, out: 48, kernel: [4], before: [3], after: [0] },
  { batch: 9, size: [28, 28], channels: 1, out: 6, kernel: [5, 5], before: [2, 2], after: [2, 2] },
  { batch: 5, size: [14, 14], channels: 6, out: 16, kernel: [5, 5] },
  { batch: 4, size: [16, 16], channels: 48, out: 40, kernel: [1, 1] },
  { size: [9, 9], channels: 4, out: 8, kernel: [3, 3], groups: 4, stride: [2, 1], before: [1, 0], after: [1, 2] },
  { size: [5, 6, 7], channels: 8, out: 12, kernel: [3, 1, 2], groups: 4, dilation: [2, 1, 3], stride: [1, 2, 1] },
];

/** One case as the types of x, weight and y, the attributes of conv, and what its adjoints are told. */
export interface ConvCase {
  readonly x: TensorType;
  readonly w: TensorType;
  readonly y: TensorType;
  readonly attrs: Attrs;
  readonly size: readonly number[];
  readonly kernel: readonly number[];
}
export const CONV_CASES: readonly ConvCase[] = CASES.map((c) => {
  const groups = c.groups ?? 1;
  const attrs: Attrs = {
    stride: cubed(c.stride ?? c.size.map(() => 1), 1),
    padBefore: cubed(c.before ?? [], 0),
    padAfter: cubed(c.after ?? [], 0),
    dilation: cubed(c.dilation ?? [], 1),
    groups,
    winograd: 'on',
  };
  const [size, kernel] = [cubed(c.size, 1), cubed(c.kernel, 1)];
  const x = f32(c.batch ?? 2, ...size, c.channels);
  const w = f32(c.out, ...kernel, c.channels / groups);
  return { x, w, y: f32(...yShape(geometry(x.shape, w.shape, attrs))), attrs, size, kernel };
});

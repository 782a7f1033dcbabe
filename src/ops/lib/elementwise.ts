import { f32, numel } from '../../base/tensor-type.ts';
import type { Sample } from '../../ir/op.ts';
import { broadcastShapes } from './broadcast.ts';
import { broadcastStrides, ndArray, offsetsOf } from './nd.ts';
import { elementwiseSamples } from './samples.ts';
import type { NdArray } from '../../ir/op.ts';

/** fn of every pair of elements, by numpy's broadcasting. */
export function zip(a: NdArray, b: NdArray, fn: (x: number, y: number) => number): NdArray {
  const out = ndArray(broadcastShapes(a.shape, b.shape));
  if (numel(out.shape) === 0) return out;
  const ia = offsetsOf(out.shape, broadcastStrides(a.shape, out.shape));
  const ib = offsetsOf(out.shape, broadcastStrides(b.shape, out.shape));
  for (let i = 0; i < out.data.length; i++) out.data[i] = fn(a.data[ia[i]!]!, b.data[ib[i]!]!);
  return out;
}

type Fill = NonNullable<NonNullable<Sample['fill']>[number]>;

// Pairs of shapes that broadcast, each the way of a different loop in the kernels.
const PAIRS: readonly (readonly [readonly number[], readonly number[]])[] = [
  [[17], []],
  [[], [17]],
  [[1], [33]],
  [[5, 33], [33]],
  [[17], [4, 17]],
  [
    [4, 1],
    [4, 31],
  ],
  [
    [3, 1],
    [1, 5],
  ],
  [
    [2, 3, 4],
    [3, 1],
  ],
  [
    [2, 1, 4, 1],
    [1, 3, 1, 5],
  ],
  [
    [3, 5, 7],
    [1, 5, 7],
  ],
  [
    [3, 1, 7],
    [3, 5, 7],
  ],
  [
    [0, 4],
    [1, 4],
  ],
  [
    [1, 2, 1, 2, 1, 2, 1, 2],
    [2, 1, 2, 1, 2, 1, 2, 1],
  ],
  [[801, 129], [129]],
  [
    [801, 1],
    [801, 129],
  ],
];

/** Samples of an op of two broadcast inputs. */
export function binarySamples(fill: readonly [Fill, Fill]): Sample[] {
  const pairs = PAIRS.map(([a, b]) => ({ inputs: [f32(...a), f32(...b)], fill }));
  return [...elementwiseSamples(2, 'normal').map((s) => ({ ...s, fill })), ...pairs];
}

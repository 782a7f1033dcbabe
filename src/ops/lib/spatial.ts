import { numel } from '../../base/tensor-type.ts';
import type { Shape } from '../../base/tensor-type.ts';
import { Unfit } from '../../base/unfit.ts';
import type { AttrKind, Attrs } from '../../ir/op.ts';
import { listOf } from './attrs.ts';
import { dim, showShape } from './types.ts';

/** What slides over the three spatial axes; each list has one number per axis (depth, height, width). */
export interface Window {
  readonly kernel: readonly number[];
  readonly stride: readonly number[];
  readonly padBefore: readonly number[];
  readonly padAfter: readonly number[];
  readonly dilation: readonly number[];
}

/** Attributes of one number per spatial axis. */
export const perAxis: AttrKind = { u32: 3 };

const AXES = ['depth', 'height', 'width'] as const;
const ONES = [1, 1, 1] as const;

/** The window of a pool, whose size is an attribute; pools have no dilation. */
export const poolWindow = (attrs: Attrs): Window => ({
  kernel: listOf(attrs, 'kernel'),
  stride: listOf(attrs, 'stride'),
  padBefore: listOf(attrs, 'padBefore'),
  padAfter: listOf(attrs, 'padAfter'),
  dilation: ONES,
});

/** The window of a convolution with a kernel of this size. */
export const convWindow = (attrs: Attrs, kernel: readonly number[]): Window => ({
  kernel,
  stride: listOf(attrs, 'stride'),
  padBefore: listOf(attrs, 'padBefore'),
  padAfter: listOf(attrs, 'padAfter'),
  dilation: listOf(attrs, 'dilation'),
});

function checkAtLeastOne(what: string, values: readonly number[]): void {
  if (values.length === 3 && values.every((v) => v >= 1)) return;
  throw new Unfit(`${what} ${showShape(values)}`, 'three whole numbers from 1 on', showShape(values));
}

/** floor((n + before + after − dilation·(k−1) − 1) / stride) + 1 for each axis. Throws Unfit where that is below 1. */
export function outputSize(size: readonly number[], window: Window): number[] {
  checkAtLeastOne('kernel', window.kernel);
  checkAtLeastOne('stride', window.stride);
  checkAtLeastOne('dilation', window.dilation);
  return AXES.map((axis, i) => {
    const padded = dim(size, i) + dim(window.padBefore, i) + dim(window.padAfter, i);
    const reach = dim(window.dilation, i) * (dim(window.kernel, i) - 1) + 1;
    if (dim(size, i) < 1 || padded < reach) {
      throw new Unfit(`the window is larger than the padded ${axis}`, `${axis} of at least ${reach}`, String(padded));
    }
    return Math.floor((padded - reach) / dim(window.stride, i)) + 1;
  });
}

/** As `outputSize`, for a pool: no window may lie in the padding alone. */
export function pooledSize(size: readonly number[], window: Window): number[] {
  checkAtLeastOne('kernel', window.kernel);
  for (const pad of [window.padBefore, window.padAfter]) {
    if (pad.some((p, i) => p >= dim(window.kernel, i))) {
      throw new Unfit('padding as large as the window', `below ${showShape(window.kernel)}`, showShape(pad));
    }
  }
  return outputSize(size, window);
}

/** Throws Unfit unless the spatial axes of `shape` [B, d, h, w, C] are `size`. */
export function checkSpatial(what: string, shape: Shape, size: readonly number[]): void {
  if (size.every((n, i) => dim(shape, i + 1) === n)) return;
  throw new Unfit(
    `${what} does not have the size that the window gives`,
    showShape(size),
    showShape(shape.slice(1, 4)),
  );
}

/** Places are i32: a plane of 2^31 elements or more has none. */
export function checkPlane(what: string, size: readonly number[]): void {
  if (numel(size) < 2 ** 31) return;
  throw new Unfit(`${what} over ${showShape(size)}`, 'fewer than 2^31 places', String(numel(size)));
}

/** Along one axis: for each position of the window, the input coordinates inside the input, with their place in the window. */
export interface Tap {
  readonly at: number;
  readonly place: number;
}
export function tapsOf(window: Window, axis: number, size: number, outputs: number): readonly (readonly Tap[])[] {
  const kernel = dim(window.kernel, axis);
  return Array.from({ length: outputs }, (_, o) => {
    const start = o * dim(window.stride, axis) - dim(window.padBefore, axis);
    const taps: Tap[] = [];
    for (let place = 0; place < kernel; place++) {
      const at = start + place * dim(window.dilation, axis);
      if (at >= 0 && at < size) taps.push({ at, place });
    }
    return taps;
  });
}

/** Calls `visit` for each place of each window that lies inside the input: flat positions of output, window and input. */
export function forEachTap(
  window: Window,
  size: readonly number[],
  outputs: readonly number[],
  visit: (output: number, place: number, input: number) => void,
): void {
  const [depth, height, width] = [0, 1, 2].map((axis) => tapsOf(window, axis, dim(size, axis), dim(outputs, axis)));
  const [, h, w] = [0, dim(size, 1), dim(size, 2)];
  const [, kh, kw] = [0, dim(window.kernel, 1), dim(window.kernel, 2)];
  let output = 0;
  for (const d of depth!) {
    for (const r of height!) {
      for (const c of width!) {
        for (const z of d) {
          for (const y of r) {
            for (const x of c) visit(output, (z.place * kh + y.place) * kw + x.place, (z.at * h + y.at) * w + x.at);
          }
        }
        output++;
      }
    }
  }
}

/** How many input elements all windows together read, per channel: padding is not read. */
export function tapCount(window: Window, size: readonly number[], outputs: readonly number[]): number {
  let count = 1;
  for (let axis = 0; axis < 3; axis++) {
    let along = 0;
    for (const taps of tapsOf(window, axis, dim(size, axis), dim(outputs, axis))) along += taps.length;
    count *= along;
  }
  return count;
}

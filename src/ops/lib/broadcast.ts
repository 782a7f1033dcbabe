import type { Shape } from '../../base/tensor-type.ts';
import { Unfit } from '../../base/unfit.ts';
import { showShape } from './types.ts';

/** The shape that two shapes broadcast to, by numpy's rule: aligned at the last axis, equal or 1. Throws Unfit. */
export function broadcastShapes(a: Shape, b: Shape): number[] {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, axis) => {
    const m = a[axis - rank + a.length] ?? 1;
    const n = b[axis - rank + b.length] ?? 1;
    if (m !== n && m !== 1 && n !== 1) {
      throw new Unfit(
        `${showShape(a)} and ${showShape(b)} do not broadcast`,
        'axes that are equal or 1',
        `${m} and ${n}`,
      );
    }
    return m === 1 ? n : m;
  });
}

/** Axes of `shape`, as a bit mask, along which a tensor of shape `from` is repeated to fill it. */
export function repeatedAxes(from: Shape, shape: Shape): number {
  const lead = shape.length - from.length;
  let axes = 0;
  for (let axis = 0; axis < shape.length; axis++) {
    if (axis < lead || (from[axis - lead] === 1 && shape[axis] !== 1)) axes |= 1 << axis;
  }
  return axes;
}

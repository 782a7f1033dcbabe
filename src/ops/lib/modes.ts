import { numel } from '../../base/tensor-type.ts';
import type { Shape } from '../../base/tensor-type.ts';
import { dim } from './types.ts';

/** A factor [I, r] of one axis of a tensor. */
export interface Mode {
  readonly axis: number;
  readonly factor: Shape;
}

/** The size that a mode product takes along its axis, and the one that it gives. */
export const modeSizes = (factor: Shape, transposed: boolean): readonly [number, number] =>
  transposed ? [dim(factor, 0), dim(factor, 1)] : [dim(factor, 1), dim(factor, 0)];

export const withAxis = (shape: Shape, axis: number, size: number): number[] =>
  shape.map((d, i) => (i === axis ? size : d));

/** [what lies before an axis, its size, what lies behind it]. */
export function aroundAxis(shape: Shape, axis: number): readonly [number, number, number] {
  return [numel(shape.slice(0, axis)), dim(shape, axis), numel(shape.slice(axis + 1))];
}

/**
 * The order of mode products of a tensor with the fewest multiply-adds, exact by dynamic programming over sets of modes: a product costs the
 * size of its result times what it sums over, and sizes depend on the set alone. Of equals the one whose largest tensors meet the last modes, whose
 * rows lie dense in memory: these come first where sizes shrink, last where they grow.
 */
export function bestOrder(shape: Shape, modes: readonly Mode[], transposed: boolean): readonly number[] {
  const all = 2 ** modes.length - 1;
  const best: { readonly cost: number; readonly order: readonly number[] }[] = [{ cost: 0, order: [] }];
  for (let set = 1; set <= all; set++) {
    let found: { readonly cost: number; readonly order: readonly number[] } | null = null;
    for (let i = 0; i < modes.length; i++) {
      const last = transposed ? i : modes.length - 1 - i;
      if (!(set & (1 << last))) continue;
      const before = set & ~(1 << last);
      const { cost, order } = best[before]!;
      const total = cost + productCost(sizesAfter(shape, modes, before, transposed), modes[last]!, transposed);
      if (!found || total < found.cost) found = { cost: total, order: [...order, last] };
    }
    best[set] = found!;
  }
  return best[all]!.order;
}

/** Multiply-adds of one mode product of a tensor of this shape. */
export function productCost(shape: Shape, mode: Mode, transposed: boolean): number {
  const [from, to] = modeSizes(mode.factor, transposed);
  return numel(withAxis(shape, mode.axis, to)) * from;
}

const sizesAfter = (shape: Shape, modes: readonly Mode[], set: number, transposed: boolean): Shape =>
  modes.reduce(
    (s, mode, i) => (set & (1 << i) ? withAxis(s, mode.axis, modeSizes(mode.factor, transposed)[1]) : s),
    shape,
  );

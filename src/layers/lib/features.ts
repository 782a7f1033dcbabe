import { Unfit } from '../../base/unfit.ts';
import { showType } from '../../base/tensor-type.ts';
import type { Value } from '../../ir/graph.ts';

/** The width of the last axis of numbers `f32[B, …, C]`: the batch is no feature axis. Throws Unfit. */
export function featuresOf(layer: string, x: Value): number {
  const { dtype, shape } = x.type;
  if (dtype !== 'f32' || shape.length < 2) {
    throw new Unfit(`${layer} needs features`, 'f32[B, ..., C]', showType(x.type, true));
  }
  return shape.at(-1)!;
}

import { numel } from '../base/tensor-type.ts';
import type { WeightSpec } from '../ir/builder.ts';

/** A weight as independent blocks of the outputs: [blocks, out, kernel, in]. */
export interface View {
  readonly blocks: number;
  readonly out: number;
  readonly kernel: number;
  readonly in: number;
}

export function viewOf({ shape, stacked = false, groups = 1 }: WeightSpec): View {
  const inner = shape.at(-1)!;
  const blocks = stacked ? shape[0]! : groups;
  const out = stacked ? shape[1]! : shape[0]! / groups;
  const kernel = numel(stacked ? [] : shape.slice(1, -1));
  return { blocks, out, kernel, in: inner };
}

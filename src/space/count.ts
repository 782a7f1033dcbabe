import { ALL, ARCHITECTURE, compileOrNull, totalOf } from './compile.ts';
import { estimateCount } from './estimate.ts';
import type { Space } from './space.ts';

/** How many architectures a space has. `exact` null: between `low` and `high`, as the tables were cut short. */
export interface Count {
  readonly exact: bigint | null;
  readonly low: bigint;
  readonly high: bigint;
}

/**
 * The ways to make every finite decision of the space such that all shapes fit and every requirement holds; with `train`, also those of training. Past the budget of
 * the tables the bounds are proven where costs could not be told apart, and else an estimate from random members.
 */
export function count(space: Space, options: { readonly train?: boolean } = {}): Count {
  const part = options.train ? ALL : ARCHITECTURE;
  const compiled = compileOrNull(space, part);
  const exactly = compiled?.exact
    ? compiled
    : space.fixed.length === 0
      ? compileOrNull(space, { ...part, effort: 'count' })
      : null;
  if (exactly) {
    const total = totalOf(exactly.circuit);
    return { exact: total, low: total, high: total };
  }
  if (!compiled) return estimateCount(space);
  return { exact: null, low: compiled.sure, high: totalOf(compiled.circuit) };
}

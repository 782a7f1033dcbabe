import { ALL, ARCHITECTURE, TRAIN, compileOrBeyond, compileOrNull, totalOf } from './compile.ts';
import type { CompileOptions } from './compile.ts';
import { pathsBelow } from './decisions-of.ts';
import { estimateCount, tooMany } from './estimate.ts';
import type { Count } from './estimate.ts';
import { Beyond, TooMany } from './limits.ts';
import type { Space } from './space.ts';

export type { Count };

const known = new WeakMap<Space, Map<boolean, Count>>();

/**
 * The ways to make every finite decision of the space such that all shapes fit and every requirement holds; with `train`, also those of training. Past the budget of
 * the tables the bounds are proven where costs could not be told apart, and else an estimate from random members.
 */
export function count(space: Space, options: { readonly train?: boolean } = {}): Count {
  const train = options.train ?? false;
  let counts = known.get(space);
  if (!counts) known.set(space, (counts = new Map<boolean, Count>()));
  let found = counts.get(train);
  if (!found) counts.set(train, (found = train ? countAll(space) : countPart(space, ARCHITECTURE)));
  return found;
}

function countPart(space: Space, part: CompileOptions): Count {
  const found = compileOrBeyond(space, part);
  if (found instanceof TooMany && found.sure) return tooMany();
  const compiled = found instanceof Beyond ? null : found;
  if (compiled?.exact) return exactly(totalOf(compiled.circuit));
  // Without its circuit a space may be counted further; fixed decisions are cut out of the circuit.
  const counted =
    space.fixed.length === 0 && !(found instanceof TooMany) ? compileOrNull(space, { ...part, effort: 'count' }) : null;
  if (counted?.exact) return exactly(totalOf(counted.circuit));
  if (!compiled) return estimateCount(space);
  return between(compiled.sure, totalOf(compiled.circuit));
}

const between = (low: bigint, high: bigint): Count => ({ exact: low === high ? low : null, low, high, proven: true });

const exactly = (n: bigint): Count => ({ exact: n, low: n, high: n, proven: true });

// Where training decides nothing that the architecture may read, the two are independent.
function countAll(space: Space): Count {
  const train = compileOrNull(space, TRAIN);
  if (!train || pathsBelow(train.circuit.root).some((path) => !path.startsWith('train.'))) return countPart(space, ALL);
  const ways = totalOf(train.circuit);
  const { exact, low, high, ...rest } = count(space);
  return { exact: exact === null ? null : exact * ways, low: low * ways, high: high * ways, ...rest };
}

import { compileBounded, compileOrNull } from './compile.ts';
import { BUDGET } from './limits.ts';
import { trackedMeasures } from './requirement.ts';
import type { Space } from './space.ts';
import { makeTilt } from './tilt.ts';
import type { Tilt } from './tilt.ts';

/** Pieces of widths that are not told apart, coarsest first. */
const PIECES = [16, 32, 64];
/** A finer circuit is worth it where the bound on what fits falls by so much. */
const WORTH = Math.log(2);

const known = new WeakMap<Space, Map<boolean, Tilt | null>>();

/** How to draw from members that mostly fail a limit on a measure; null where nothing is limited, or tables do not suffice. */
export function tiltOf(space: Space, byPrior: boolean): Tilt | null {
  let tilts = known.get(space);
  if (!tilts) known.set(space, (tilts = new Map<boolean, Tilt | null>()));
  let tilt = tilts.get(byPrior);
  if (tilt === undefined) tilts.set(byPrior, (tilt = closest(space, byPrior)));
  return tilt;
}

// Of the circuits at hand the one of which the most is accepted.
function closest(space: Space, byPrior: boolean): Tilt | null {
  const limits = trackedMeasures(space.requirements, 0).filter((l) => Number.isFinite(l.most) && l.most > 0);
  if (limits.length === 0) return null;
  const plain = compileOrNull(space);
  let best = plain && makeTilt(plain.circuit, limits, byPrior);
  const budget = { left: BUDGET.drawnProducts };
  let before = Infinity;
  for (const pieces of PIECES) {
    const found = compileBounded(space, pieces, budget);
    const tilt = found && makeTilt(found.circuit, limits, byPrior);
    if (!tilt) break;
    if (!best || tilt.bound < best.bound) best = tilt;
    if (tilt.bound > before - WORTH) break;
    before = tilt.bound;
  }
  return best;
}

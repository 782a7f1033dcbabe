import { Random } from '../base/philox.ts';
import { nearest } from './agree.ts';
import type { Change } from './agree.ts';
import { ALL, compileOrNull } from './compile.ts';
import type { CompileOptions } from './compile.ts';
import { sameDecided } from './decisions.ts';
import { walk } from './estimate.ts';
import { byAssignment } from './member.ts';
import type { Decider } from './member.ts';
import { measuring } from './measures.ts';
import { meets } from './sample.ts';
import type { Assignment, Decided } from './assignment.ts';
import type { Space } from './space.ts';

const TRIES = 20;
const LIGHT: CompileOptions = { ...ALL, effort: 'light' };

/**
 * Changes one decision, drawn evenly from those that have another way, and keeps every other one that still can be; decisions that come new follow the prior. Null where
 * nothing can change. The result is a member.
 */
export function mutate(space: Space, assignment: Assignment, random: Random): Assignment | null {
  const paths = Object.keys(assignment);
  const order = random.permutation(paths.length);
  for (const i of order) {
    const path = paths[i]!;
    const changed = changeAt(space, assignment, path, random);
    if (changed) return changed;
  }
  return null;
}

function changeAt(space: Space, old: Assignment, path: string, random: Random): Assignment | null {
  const before = old[path]!;
  const compiled = compileOrNull(space, LIGHT);
  for (let i = 0; i < TRIES; i++) {
    if (!compiled) {
      const w = walk(space, random, { measure: 'choice', given: old, soft: true, avoid: path, train: true });
      const now = w.assignment[path];
      if (w.fits && now !== undefined && !sameDecided(now, before)) return w.assignment;
      continue;
    }
    const found = nearest(compiled.circuit, old, anythingBut(path, before, random), random);
    if (!found || compiled.exact || meets(space, found)) return found;
  }
  return null;
}

// Numbers move by about a tenth of their range, in its logarithm where both ends are above 0 and far apart.
function anythingBut(path: string, before: Decided, random: Random): Change {
  const step = random.normal();
  return {
    path,
    allows: (v) => !sameDecided(before, v),
    number: (low, high) => {
      if (low === high || typeof before !== 'number') return null;
      const log = low > 0 && high / low > 20;
      const t = (x: number): number => (log ? Math.log(x) : x);
      const moved = t(Math.min(high, Math.max(low, before))) + (step * (t(high) - t(low))) / 10;
      const folded = moved > t(high) ? 2 * t(high) - moved : moved < t(low) ? 2 * t(low) - moved : moved;
      const v = log ? Math.exp(folded) : folded;
      return Math.min(high, Math.max(low, v));
    },
  };
}

/** Every member that differs in one finite decision of `assignment`, the others kept where they still can be. */
export function* neighbours(space: Space, assignment: Assignment): Iterable<Assignment> {
  const compiled = compileOrNull(space, LIGHT);
  if (!compiled) return;
  for (const [path, values] of optionsOf(space, assignment)) {
    for (const value of values) {
      if (sameDecided(assignment[path], value)) continue;
      const change: Change = { path, allows: (v) => sameDecided(v, value), number: () => null };
      const found = nearest(compiled.circuit, assignment, change, new Random('neighbour', path, JSON.stringify(value)));
      if (found && (compiled.exact || meets(space, found))) yield found;
    }
  }
}

/** The finite decisions that a member makes, each with its options, in the order of evaluation. */
export function optionsOf(space: Space, assignment: Assignment): ReadonlyMap<string, readonly Decided[]> {
  const met = new Map<string, readonly Decided[]>();
  const inner = byAssignment(assignment);
  const decider: Decider = {
    choose: (path, options, site) => {
      met.set(
        path,
        options.map((o) => o.value),
      );
      return inner.choose(path, options, site);
    },
    number: (path, interval, site) => inner.number(path, interval, site),
  };
  const { member } = measuring(space, decider);
  member.outputs();
  member.train();
  return met;
}

import { Random } from '../base/philox.ts';
import { count } from '../space/count.ts';
import { sample } from '../space/sample.ts';
import { unrank } from '../space/unrank.ts';
import type { Assignment } from '../space/assignment.ts';
import type { Space } from '../space/space.ts';
import type { History } from './history.ts';
import type { SearcherArgs, SearcherDef } from './searcher.ts';

const REPEATS = 50;

/** Fills in the defaults of a searcher's arguments. */
export function searcherArgs(def: SearcherDef, given: SearcherArgs): SearcherArgs {
  return Object.fromEntries(def.args.map((a) => [a.name, given[a.name] ?? (a.default as number | string | boolean)]));
}

/**
 * Ask and tell over one history. `ask` gives an assignment that was not asked before, or null when the space is spent; the caller
 * records it with `history.asked` and, as results come, `history.told`.
 */
export function makeSearch(
  space: Space,
  def: SearcherDef,
  options: { readonly seed: number; readonly args: SearcherArgs; readonly history: History },
): { ask: () => Assignment | null } {
  const { history } = options;
  const args = searcherArgs(def, options.args);
  const propose = def.create(space, args);
  return {
    ask: () => {
      const random = new Random('search', def.name, options.seed, history.trials.length);
      for (let i = 0; i < REPEATS; i++) {
        const found = propose({ space, history, args, random });
        if (found === null) return null;
        if (!history.has(found)) return found;
      }
      return untaken(space, history, random);
    },
  };
}

// Any member that was not asked: by samples, then from a random rank on. Past the tables' reach what samples do not find counts as spent.
function untaken(space: Space, history: History, random: Random): Assignment | null {
  for (let i = 0; i < REPEATS; i++) {
    const found = sample(space, { random, measure: 'uniform' });
    if (!history.has(found)) return found;
  }
  const members = count(space, { train: true }).exact;
  if (members === null) return null;
  const start = random.belowBig(members);
  for (let i = 0n; i < members; i++) {
    const found = unrank(space, (start + i) % members, { train: true });
    if (!history.has(found)) return found;
  }
  return null;
}

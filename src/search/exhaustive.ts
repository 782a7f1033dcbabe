import { count } from '../space/count.ts';
import { unrank } from '../space/unrank.ts';
import type { SearcherDef } from './searcher.ts';

export const exhaustive: SearcherDef = {
  name: 'exhaustive',
  doc: 'Every architecture once, by rank.',
  args: [],
  create: (space) => {
    const members = count(space).exact;
    return ({ history }) => {
      const rank = BigInt(history.trials.length);
      return members !== null && rank < members ? unrank(space, rank) : null;
    };
  },
};

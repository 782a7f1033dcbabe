import { count } from '../space/count.ts';
import { isCounted } from '../space/restrict.ts';
import { unrank } from '../space/unrank.ts';
import { SearchError } from './searcher.ts';
import type { SearcherDef } from './searcher.ts';

export const exhaustive: SearcherDef = {
  name: 'exhaustive',
  doc: 'Every member once, by rank; decisions of training count too.',
  args: [],
  create: (space) => {
    const members = count(space, { train: true }).exact;
    if (members === null || !isCounted(space)) {
      throw new SearchError(
        `exhaustive needs a space whose members can be listed: ${space.name} has a continuous range, or no exact count`,
      );
    }
    let rank = 0n;
    return ({ history }) => {
      for (; rank < members; rank++) {
        const member = unrank(space, rank, { train: true });
        if (!history.has(member)) return member;
      }
      return null;
    };
  },
};

import { mutate } from '../space/mutate.ts';
import { sample } from '../space/sample.ts';
import { number } from './searcher.ts';
import type { SearcherDef } from './searcher.ts';

const ATTEMPTS = 20;

/**
 * Regularised (aging) evolution (Real et al. 2019): the population is the last P finished trials; the best of S drawn from it has one decision mutated, every other
 * that is still meaningful is kept. Failed trials age like the rest and never win. It begins once a sample can be drawn.
 */
export const evolution: SearcherDef = {
  name: 'evolution',
  doc: 'Regularised (aging) evolution: mutates the best of a sample of the youngest trials.',
  args: [
    {
      name: 'population',
      doc: 'number of youngest trials that may be parents',
      type: { kind: 'whole', min: 2 },
      default: 32,
      positional: true,
    },
    {
      name: 'sample',
      doc: 'number of candidates of which the best is the parent',
      type: { kind: 'whole', min: 1 },
      default: 8,
    },
  ],
  create: (space, args) => {
    const population = number(args, 'population');
    const candidates = number(args, 'sample');
    return ({ history, random }) => {
      const young = history.finished().slice(-population);
      if (young.length < candidates) return sample(space, { random, measure: 'choice' });
      const ranks = history.ranks();
      for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
        let parent = young[random.below(young.length)]!;
        for (let i = 1; i < candidates; i++) {
          const other = young[random.below(young.length)]!;
          if (ranks.get(other.trial)! > ranks.get(parent.trial)!) parent = other;
        }
        const child = mutate(space, parent.assignment, random);
        if (child && !history.has(child)) return child;
      }
      return sample(space, { random, measure: 'choice' });
    };
  },
};

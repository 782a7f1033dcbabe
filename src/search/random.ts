import { sample } from '../space/sample.ts';
import type { SampleMeasure } from '../space/sample.ts';
import type { SearcherDef } from './searcher.ts';

export const random: SearcherDef = {
  name: 'random',
  doc: 'Independent samples, without repeats.',
  args: [
    {
      name: 'measure',
      doc: 'choice: each decision by its prior; uniform: each architecture alike; balanced: by depth first',
      type: { kind: 'name', oneOf: ['choice', 'uniform', 'balanced'] },
      default: 'choice',
      positional: true,
    },
  ],
  create: (space, args) => (context) =>
    sample(space, { random: context.random, measure: args['measure'] as SampleMeasure }),
};

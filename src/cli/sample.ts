import { Random } from '../base/philox.ts';
import { describeMember } from '../compile.ts';
import { sample as sampleSpace } from '../space/sample.ts';
import { Beyond } from '../space/limits.ts';
import type { Assignment } from '../space/assignment.ts';
import type { Space } from '../space/space.ts';
import { rank } from '../space/unrank.ts';
import type { CommandDef } from './command.ts';
import { wholeOption, wordOption } from './command.ts';
import { EXIT } from './io.ts';
import { loadProgram, SPACE_OPTION } from './load.ts';

const MEASURES = ['choice', 'uniform', 'balanced'] as const;

// Null where tables do not reach.
function rankOf(space: Space, assignment: Assignment): string | null {
  try {
    return rank(space, assignment).toString();
  } catch (e) {
    if (e instanceof Beyond) return null;
    throw e;
  }
}

export const sample: CommandDef = {
  options: [
    SPACE_OPTION,
    { flags: '-n, --number <n>', doc: 'how many; 1 unless given' },
    {
      flags: '--measure <m>',
      doc: 'choice: each decision by its prior; uniform: each architecture alike; balanced: by depth first',
    },
  ],
  run: (io, [file], options) => {
    const { space } = loadProgram(io, file!, options);
    const measure = wordOption(options, 'measure', MEASURES) ?? 'choice';
    const seed = wholeOption(options, 'seed') ?? 0;
    const n = wholeOption(options, 'number', 0) ?? 1;
    for (let i = 0; i < n; i++) {
      const random = new Random('sample', seed, i);
      const assignment = sampleSpace(space, { random, measure });
      const member = describeMember(space, assignment);
      if (io.json) {
        io.data({ program: member.program, assignment, rank: rankOf(space, assignment), ...member.measures });
      } else {
        io.out(`${i > 0 ? '\n' : ''}${member.program.trimEnd()}`);
      }
    }
    return Promise.resolve(EXIT.done);
  },
};

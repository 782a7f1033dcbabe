import { Random } from '../base/philox.ts';
import { describeMember } from '../compile.ts';
import { sample as sampleSpace } from '../space/sample.ts';
import type { SampleMeasure } from '../space/sample.ts';
import { rank } from '../space/unrank.ts';
import type { CommandDef } from './command.ts';
import { textOption, wholeOption } from './command.ts';
import { EXIT, Exit } from './io.ts';
import { loadProgram, SPACE_OPTION } from './load.ts';

const MEASURES = ['choice', 'uniform', 'balanced'];

export const sample: CommandDef = {
  name: 'sample',
  summary: 'random architectures, as programs',
  usage: '<file>',
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
    const measure = textOption(options, 'measure') ?? 'choice';
    if (!MEASURES.includes(measure)) {
      throw new Exit(EXIT.usage, `error: --measure is one of ${MEASURES.join(', ')}, found ${JSON.stringify(measure)}`);
    }
    const seed = wholeOption(options, 'seed') ?? 0;
    const n = wholeOption(options, 'number', 0) ?? 1;
    for (let i = 0; i < n; i++) {
      const random = new Random('sample', seed, i);
      const assignment = sampleSpace(space, { random, measure: measure as SampleMeasure });
      const member = describeMember(space, assignment);
      if (io.json) {
        io.data({ program: member.program, assignment, rank: rank(space, assignment).toString(), ...member.measures });
      } else {
        io.out(`${i > 0 ? '\n' : ''}${member.program.trimEnd()}`);
      }
    }
    return Promise.resolve(EXIT.done);
  },
};

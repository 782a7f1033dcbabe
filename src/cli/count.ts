import { count as countSpace } from '../space/count.ts';
import { countJson } from './check.ts';
import type { CommandDef } from './command.ts';
import { EXIT } from './io.ts';
import { loadProgram, SPACE_OPTION } from './load.ts';

export const count: CommandDef = {
  name: 'count',
  summary: 'the exact number of architectures, alone on a line',
  usage: '<file>',
  options: [SPACE_OPTION],
  run: (io, [file], options) => {
    const found = countSpace(loadProgram(io, file!, options).space);
    if (io.json) io.data(countJson(found));
    else io.out(found.exact !== null ? found.exact.toString() : `${found.low}..${found.high}`);
    return Promise.resolve(EXIT.done);
  },
};

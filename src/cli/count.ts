import { count as countSpace } from '../space/count.ts';
import type { CommandDef } from './command.ts';
import { countJson, countText } from './format.ts';
import { EXIT } from './io.ts';
import { loadProgram, SPACE_OPTION } from './load.ts';

export const count: CommandDef = {
  options: [SPACE_OPTION],
  run: (io, [file], options) => {
    const found = countSpace(loadProgram(io, file!, options).space);
    if (io.json) io.data(countJson(found));
    else io.out(found.exact !== null ? found.exact.toString() : countText(found));
    return Promise.resolve(found.exact !== null ? EXIT.done : EXIT.machine);
  },
};

import type { CommandDef } from './command.ts';
import { best } from './best.ts';
import { check } from './check.ts';
import { count } from './count.ts';
import { fmt } from './fmt.ts';
import { info } from './info.ts';
import { sample } from './sample.ts';
import { search } from './search.ts';
import { train } from './train.ts';
import { trials } from './trials.ts';

/** Every command, in the order of the help. */
export const COMMANDS: readonly CommandDef[] = [check, count, sample, train, search, trials, best, fmt, info];

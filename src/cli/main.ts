import { Command, CommanderError } from 'commander';
import { DataError } from '../data/error.ts';
import { StudyError } from '../study/sqlite.ts';
import { TrainError } from '../train/config.ts';
import { VERSION } from '../version.ts';
import { COMMANDS } from './commands.ts';
import { EXIT, Exit, makeIo, printable } from './io.ts';

/** Runs a command; gives its exit code: 0 done, 1 the input is wrong, 2 usage, 3 the machine could not, 130 interrupted. */
export async function main(args: readonly string[]): Promise<number> {
  const program = new Command('tenon')
    .description('Spaces of neural architectures, searched and trained on fused native kernels')
    .version(VERSION)
    .exitOverride()
    .showSuggestionAfterError()
    .configureHelp({ showGlobalOptions: true });
  let code: number = EXIT.done;
  for (const { name, summary, usage, options, run } of COMMANDS) {
    const command = program.command(`${name} ${usage}`.trim()).description(summary).exitOverride();
    for (const o of options) command.option(o.flags, o.doc);
    command
      .option('--json', 'print JSON on stdout and nothing else')
      .option('--seed <n>', 'seed of everything random')
      .option('--threads <n>', 'threads to use; all cores unless given');
    command.action(async (...rest: unknown[]) => {
      const positional = rest.slice(0, -2).filter((a): a is string => typeof a === 'string');
      const given = rest.at(-2) as Readonly<Record<string, unknown>>;
      code = await run(makeIo({ json: given['json'] === true }), positional, given);
    });
  }
  try {
    await program.parseAsync([...args], { from: 'user' });
    return code;
  } catch (e) {
    return explain(e);
  }
}

function explain(e: unknown): number {
  if (e instanceof CommanderError) return e.exitCode === 0 ? EXIT.done : EXIT.usage;
  if (e instanceof Exit) {
    if (e.message !== '') process.stderr.write(`${printable(e.message)}\n`);
    return e.code;
  }
  const message = printable((e as Error).message ?? String(e));
  if (e instanceof DataError || e instanceof TrainError || e instanceof StudyError) {
    process.stderr.write(`error: ${message}\n`);
    const machine =
      (e instanceof StudyError && (e.code === 'disk' || e.code === 'sqlite')) ||
      (e instanceof TrainError && e.cause_ === 'memory');
    return machine ? EXIT.machine : EXIT.input;
  }
  const errno = (e as NodeJS.ErrnoException).code;
  if (
    typeof errno === 'string' &&
    ['ENOSPC', 'EIO', 'EMFILE', 'ENOMEM', 'EROFS', 'EACCES', 'no-memory'].includes(errno)
  ) {
    process.stderr.write(`error: the machine could not: ${message}\n`);
    return EXIT.machine;
  }
  process.stderr.write(`${printable((e as Error).stack ?? message)}\n`);
  return EXIT.machine;
}

import { Command, CommanderError } from 'commander';
import { VERSION } from '../version.ts';
import { COMMANDS } from './commands.ts';
import { explain } from './explain.ts';
import { EXIT, makeIo } from './io.ts';

/** Runs a command; gives its exit code: 0 done, 1 the input is wrong, 2 usage, 3 the machine could not, 130 interrupted. */
export async function main(args: readonly string[]): Promise<number> {
  watchOutput();
  const json = args.includes('--json');
  let code: number = EXIT.done;
  try {
    const program = await makeProgram(args, (result) => (code = result));
    await program.parseAsync([...args], { from: 'user' });
    return code;
  } catch (e) {
    if (!(e instanceof CommanderError)) return explain(e, json);
    // Help that was asked for is no error; its text is out already.
    if (e.exitCode === 0 || e.code === 'commander.help') return e.exitCode === 0 ? EXIT.done : EXIT.usage;
    return explain(e, json);
  }
}

// Only the command that is asked for is loaded: the others are names in the help.
async function makeProgram(args: readonly string[], done: (code: number) => void): Promise<Command> {
  const program = new Command('tenon')
    .description('Spaces of neural architectures, searched and trained on fused native kernels')
    .version(VERSION)
    .exitOverride()
    .showSuggestionAfterError()
    .configureOutput({ outputError: () => {} })
    .addHelpText(
      'after',
      '\nExit codes: 0 done, 1 the input is wrong, 2 usage, 3 the machine could not, 130 interrupted.',
    );
  const wanted = args.filter((a) => !a.startsWith('-')).find((a) => a !== 'help');
  for (const { name, summary, usage, load } of COMMANDS) {
    const command = program
      .command(`${name} ${usage}`.trim())
      .description(summary)
      .exitOverride()
      .configureOutput({ outputError: () => {} });
    if (name !== wanted) continue;
    const { options, run } = await load();
    for (const o of options) command.option(o.flags, o.doc);
    command
      .option('--json', 'print JSON on stdout and nothing else')
      .option('--seed <n>', 'seed of everything random')
      .option('--threads <n>', 'threads to use; all cores unless given');
    command.action(async (...rest: unknown[]) => {
      const given = rest.at(-2) as Readonly<Record<string, unknown>>;
      const positional = rest.slice(0, -2).flat().map(String);
      done(await run(makeIo({ json: given['json'] === true }), positional, given));
    });
  }
  return program;
}

// A reader that has gone (`tenon trials S | head`) ends the program without a word; a full disk with one.
function watchOutput(): void {
  process.stdout.on('error', (e: NodeJS.ErrnoException) => {
    if (e.code !== 'EPIPE') process.stderr.write(`error: the output cannot be written (${e.code})\n`);
    process.exit(e.code === 'EPIPE' ? EXIT.done : EXIT.machine);
  });
  process.stderr.on('error', () => {});
}

import { readFileSync, statSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { diagnosticToJson } from '../base/diagnostic.ts';
import type { Diagnostic } from '../base/diagnostic.ts';
import { SpaceError, compileText, datasetOf } from '../compile.ts';
import type { Compiled } from '../compile.ts';
import { renderDiagnostics } from '../lang/render.ts';
import { EXIT, Exit } from './io.ts';
import type { Io } from './io.ts';
import { textOption, wholeOption } from './command.ts';
import type { Options } from './command.ts';

/** Longer texts are no programs; the checker says so of those that it is given. */
const MAX_BYTES = 64 * 1024 ** 2;

export function readProgram(file: string): string {
  try {
    // Of a pipe the size is 0.
    if (statSync(file).size > MAX_BYTES) throw new Exit(EXIT.input, `error: ${file}: it is too long for a program`);
    return readFileSync(file, 'utf8');
  } catch (e) {
    if (e instanceof Exit) throw e;
    const code = (e as NodeJS.ErrnoException).code;
    const why =
      code === 'ENOENT'
        ? 'there is no such file'
        : code === 'EISDIR'
          ? 'it is a folder'
          : `it cannot be read (${code ?? (e as Error).message})`;
    throw new Exit(EXIT.input, `error: ${file}: ${why}`);
  }
}

/** Diagnostics as a person reads them, on stderr. */
export function sayDiagnostics(io: Io, diagnostics: readonly Diagnostic[]): void {
  if (diagnostics.length === 0) return;
  io.err(renderDiagnostics(diagnostics, { color: io.errColors.isColorSupported, width: io.columns }));
}

/** Reads and checks a program. Warnings go to stderr; errors end the command, with `--json` as a document on stdout. */
export function loadProgram(io: Io, file: string, options: Options): Compiled {
  const text = readProgram(file);
  try {
    const compiled = compileText(text, file, textOption(options, 'space'));
    sayDiagnostics(io, compiled.diagnostics);
    return compiled;
  } catch (e) {
    if (!(e instanceof SpaceError)) {
      // A missing space is the user's; a bug keeps its stack.
      throw e instanceof Error && e.message.startsWith(`${file}: `) ? new Exit(EXIT.input, `error: ${e.message}`) : e;
    }
    if (io.json) io.data({ file, diagnostics: e.diagnostics.map(diagnosticToJson) });
    else sayDiagnostics(io, e.diagnostics);
    throw new Exit(EXIT.input);
  }
}

/** The data set of a program that is to be trained. */
export function dataOf({ space, file }: Compiled): ReturnType<typeof datasetOf> {
  if (space.train.data) return datasetOf(space, file);
  throw new Exit(
    EXIT.input,
    `error: ${file}: space ${space.name} says nothing of its data: add \`train { data mnist }\`, or \`data csv("file.csv", label: "column")\``,
  );
}

const MAX_THREADS = 256;

export const threadsOf = (options: Options): number =>
  wholeOption(options, 'threads', 1, MAX_THREADS) ?? Math.min(MAX_THREADS, availableParallelism());

export const SPACE_OPTION = { flags: '--space <name>', doc: 'which space of the file; the last unless given' } as const;

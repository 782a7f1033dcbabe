import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { diagnosticToJson, hasErrors } from '../base/diagnostic.ts';
import { SpaceError, compileText } from '../compile.ts';
import type { Compiled } from '../compile.ts';
import { renderDiagnostics } from '../lang/render.ts';
import { EXIT, Exit } from './io.ts';
import type { Io } from './io.ts';
import { textOption, wholeOption } from './command.ts';
import type { Options } from './command.ts';

export function readProgram(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (e) {
    const code = (e as NodeJS.ErrnoException).code;
    const why =
      code === 'ENOENT'
        ? 'there is no such file'
        : code === 'EISDIR'
          ? 'it is a folder'
          : `it cannot be read (${code})`;
    throw new Exit(EXIT.input, `error: ${file}: ${why}`);
  }
}

/** Reads and checks a program; diagnostics go to stderr (or as JSON to stdout), errors end the command. */
export function loadProgram(io: Io, file: string, options: Options): Compiled {
  const text = readProgram(file);
  try {
    const compiled = compileText(text, file, textOption(options, 'space'));
    const warnings = compiled.diagnostics;
    if (warnings.length > 0 && !io.json) {
      io.err(renderDiagnostics(warnings, { color: io.colors.isColorSupported, width: io.columns }));
    }
    return compiled;
  } catch (e) {
    if (!(e instanceof SpaceError)) throw e instanceof Exit ? e : asInputError(e);
    if (io.json) io.data({ file, diagnostics: e.diagnostics.map(diagnosticToJson) });
    else io.err(renderDiagnostics(e.diagnostics, { color: io.colors.isColorSupported, width: io.columns }));
    throw new Exit(hasErrors(e.diagnostics) ? EXIT.input : EXIT.machine);
  }
}

// A missing space or data clause is the user's; a bug keeps its stack.
function asInputError(e: unknown): unknown {
  const message = (e as Error).message;
  return message.startsWith('bug:') || !(e instanceof Error) ? e : new Exit(EXIT.input, `error: ${message}`);
}

export const threadsOf = (options: Options): number => wholeOption(options, 'threads', 1) ?? availableParallelism();

export const SPACE_OPTION = { flags: '--space <name>', doc: 'which space of the file; the last unless given' } as const;

import { CommanderError } from 'commander';
import { EXIT, Exit, printable, toJson } from './io.ts';

/** Codes of errors that are the machine's: no room, no right, no memory, no addon. */
const MACHINE = new Set([
  'ENOSPC',
  'EIO',
  'EMFILE',
  'ENFILE',
  'ENOMEM',
  'EROFS',
  'EACCES',
  'EPERM',
  'EAGAIN',
  'TENON_NO_MEMORY',
  'TENON_NATIVE_UNAVAILABLE',
]);
const PATHS = new Set(['ENOENT', 'EISDIR', 'ENOTDIR', 'EEXIST']);

interface Known {
  readonly name?: string;
  readonly message?: string;
  readonly code?: unknown;
  readonly cause_?: unknown;
}

/** By the names of classes, so that explaining an error loads nothing. */
const BY_NAME: Readonly<Record<string, (e: Known) => number>> = {
  StudyError: (e) => (e.code === 'disk' || e.code === 'sqlite' ? EXIT.machine : EXIT.input),
  TrainError: (e) => (e.cause_ === 'memory' ? EXIT.machine : EXIT.input),
  RefusedError: (e) => (e.code === 'machine' ? EXIT.machine : EXIT.input),
  DataError: () => EXIT.input,
  SearchError: () => EXIT.input,
  Beyond: () => EXIT.machine,
};

function codeOf(e: Known): number | null {
  const known = BY_NAME[e.name ?? ''];
  if (known) return known(e);
  if (typeof e.code !== 'string') return null;
  return MACHINE.has(e.code) ? EXIT.machine : PATHS.has(e.code) ? EXIT.input : null;
}

/** Says on stderr, and with `--json` on stdout too, what went wrong; gives the exit code. A bug shows its stack. */
export function explain(e: unknown, json: boolean): number {
  const { code, message } = verdict(e);
  if (message !== '') {
    process.stderr.write(`${printable(message)}\n`);
    if (json) process.stdout.write(`${toJson({ event: 'error', code, error: message.replace(/^error: /, '') })}\n`);
  }
  return code;
}

function verdict(e: unknown): { readonly code: number; readonly message: string } {
  if (e instanceof Exit) return { code: e.code, message: e.message };
  if (e instanceof CommanderError) return { code: EXIT.usage, message: e.message };
  const known = e as Known;
  const code = codeOf(known);
  if (code !== null) return { code, message: `error: ${known.message ?? String(e)}` };
  return { code: EXIT.machine, message: e instanceof Error ? (e.stack ?? e.message) : String(e) };
}

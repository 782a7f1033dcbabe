import pico from 'picocolors';

export type Colors = ReturnType<typeof pico.createColors>;

/** Where a command prints: the only door to the terminal. */
export interface Io {
  readonly json: boolean;
  /** Of stdout, and of stderr. */
  readonly colors: Colors;
  readonly errColors: Colors;
  /** Whether a person watches stdout. */
  readonly isTerminal: boolean;
  readonly columns: number;
  out(line: string): void;
  err(line: string): void;
  /** One JSON document, or one line of many, on stdout. */
  data(value: unknown): void;
}

// BigInts are written as text: JSON numbers lose digits.
const plain = (_: string, value: unknown): unknown =>
  typeof value === 'bigint' ? value.toString() : typeof value === 'number' && !Number.isFinite(value) ? null : value;

export const toJson = (value: unknown): string => JSON.stringify(value, plain);

const isForced = (value: string | undefined): boolean => value !== undefined && value !== '' && value !== '0';

// https://no-color.org: any text but the empty one.
const wantsColor = (stream: NodeJS.WriteStream): boolean =>
  !process.env['NO_COLOR'] &&
  (isForced(process.env['FORCE_COLOR']) || (Boolean(stream.isTTY) && process.env['TERM'] !== 'dumb'));

export function makeIo(options: { readonly json: boolean }): Io {
  return {
    json: options.json,
    colors: pico.createColors(wantsColor(process.stdout) && !options.json),
    errColors: pico.createColors(wantsColor(process.stderr)),
    isTerminal: process.stdout.isTTY && process.env['TERM'] !== 'dumb' && !options.json,
    columns: process.stdout.columns || 100,
    out: (line) => void process.stdout.write(`${line}\n`),
    err: (line) => void process.stderr.write(`${line}\n`),
    data: (value) => void process.stdout.write(`${toJson(value)}\n`),
  };
}

export const EXIT = { done: 0, input: 1, usage: 2, machine: 3, interrupted: 130 } as const;

/** Ends a command with a code; the message, if any, goes to stderr. */
export class Exit extends Error {
  readonly code: number;
  constructor(code: number, message = '') {
    super(message);
    this.code = code;
  }
}

// Names of files and text of programs may hold anything: control characters are shown, not sent.
export const printable = (text: string): string =>
  text.replace(
    /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g,
    (c) => `\\u{${c.charCodeAt(0).toString(16)}}`,
  );

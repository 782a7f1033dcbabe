import { Exit, EXIT } from './io.ts';
import type { Io } from './io.ts';

/** One row of the table of commands. */
export interface CommandDef {
  readonly name: string;
  readonly summary: string;
  /** Positional arguments, in commander's form: `<file>`. */
  readonly usage: string;
  readonly options: readonly { readonly flags: string; readonly doc: string }[];
  readonly run: (io: Io, args: readonly string[], options: Options) => Promise<number>;
}
export type Options = Readonly<Record<string, unknown>>;

export function wholeOption(options: Options, name: string, min = 0): number | null {
  const raw = options[name];
  if (raw === undefined) return null;
  const value = Number(raw);
  if (!Number.isSafeInteger(value) || value < min) {
    throw new Exit(EXIT.usage, `error: --${name} takes a whole number from ${min} on, found ${JSON.stringify(raw)}`);
  }
  return value;
}

/** `90`, `90s`, `5min`, `2h` in seconds; `512MB`, `2GB` in bytes. */
export function quantityOption(options: Options, name: string, units: Readonly<Record<string, number>>): number | null {
  const raw = options[name];
  if (raw === undefined) return null;
  const match = /^(\d+(?:\.\d+)?)\s*([A-Za-z]*)$/.exec(String(raw));
  const unit = match && (match[2] === '' ? 1 : units[match[2]!]);
  if (!match || unit === undefined || unit === null) {
    const known = Object.keys(units).join(', ');
    throw new Exit(EXIT.usage, `error: --${name} takes a number with a unit (${known}), found ${JSON.stringify(raw)}`);
  }
  return Number(match[1]) * unit;
}

export const SECONDS = { s: 1, min: 60, h: 3600 };
export const BYTES = { KB: 1024, MB: 1024 ** 2, GB: 1024 ** 3 };

export function textOption(options: Options, name: string): string | null {
  const raw = options[name];
  return raw === undefined ? null : String(raw);
}

import { Exit, EXIT } from './io.ts';
import type { Io } from './io.ts';

/** What a command does; it is loaded when it is asked for. Its name, summary and arguments stand in the table of commands. */
export interface CommandDef {
  readonly options: readonly { readonly flags: string; readonly doc: string }[];
  readonly run: (io: Io, args: readonly string[], options: Options) => Promise<number>;
}
export type Options = Readonly<Record<string, unknown>>;

export function wholeOption(options: Options, name: string, min = 0, max = Number.MAX_SAFE_INTEGER): number | null {
  const raw = textOption(options, name);
  if (raw === null) return null;
  const value = /^\d+$/.test(raw) ? Number(raw) : NaN;
  if (!Number.isSafeInteger(value) || value < min || value > max) {
    const domain = max < Number.MAX_SAFE_INTEGER ? `from ${min} to ${max}` : `from ${min} on`;
    throw new Exit(EXIT.usage, `error: --${name} takes a whole number ${domain}, found ${JSON.stringify(raw)}`);
  }
  return value;
}

/** `90`, `90s`, `5min`, `2h` in seconds; `512MB`, `2GB` in bytes. */
export function quantityOption(options: Options, name: string, units: Readonly<Record<string, number>>): number | null {
  const raw = textOption(options, name);
  if (raw === null) return null;
  const match = /^(\d+(?:\.\d+)?)\s*([A-Za-z]*)$/.exec(raw);
  const unit = match && (match[2] === '' ? 1 : units[match[2]!]);
  const value = match && unit ? Number(match[1]) * unit : 0;
  if (value > 0) return value;
  const known = Object.keys(units).join(', ');
  throw new Exit(
    EXIT.usage,
    `error: --${name} takes a number above 0 with a unit (${known}), found ${JSON.stringify(raw)}`,
  );
}

export const SECONDS = { s: 1, min: 60, h: 3600 };
export const BYTES = { KB: 1024, MB: 1024 ** 2, GB: 1024 ** 3 };

export function textOption(options: Options, name: string): string | null {
  const raw = options[name];
  if (raw === undefined) return null;
  if (typeof raw !== 'string') throw new Error(`bug: --${name} has no text`);
  return raw;
}

/** One of some words. */
export function wordOption<W extends string>(options: Options, name: string, words: readonly W[]): W | null {
  const raw = textOption(options, name);
  const word = words.find((w) => w === raw);
  if (raw === null || word !== undefined) return word ?? null;
  throw new Exit(EXIT.usage, `error: --${name} is one of ${words.join(', ')}, found ${JSON.stringify(raw)}`);
}

import stringWidth from 'string-width';
import type { Count } from '../space/count.ts';

export const grouped = (n: number | bigint): string => n.toString().replace(/\B(?=(\d{3})+(?!\d))/g, ',');

export const countJson = (c: Count): Record<string, unknown> => ({
  exact: c.exact === null ? null : c.exact.toString(),
  low: c.low.toString(),
  high: c.high.toString(),
  ...(c.exact === null && { proven: c.proven }),
});

export function countText(c: Count): string {
  if (c.exact !== null) return grouped(c.exact);
  if (c.unbounded) return c.low > 0n ? 'more than 2^4096' : 'an unknown number of';
  return `between ${grouped(c.low)} and ${grouped(c.high)} (${c.proven ? 'proven bounds' : 'an estimate'})`;
}

const UNITS = ['', 'k', 'M', 'G', 'T', 'P'] as const;

/** Three significant digits with a unit of powers of 1000: 203.5k. */
export function short(n: number): string {
  if (!Number.isFinite(n)) return String(n);
  let value = n;
  let unit = 0;
  while (Math.abs(value) >= 1000 && unit < UNITS.length - 1) {
    value /= 1000;
    unit++;
  }
  return unit === 0 ? String(Math.round(value * 1000) / 1000) : `${Number(value.toPrecision(4))}${UNITS[unit]}`;
}

export function bytes(n: number): string {
  const names = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let value = n;
  let unit = 0;
  while (value >= 1024 && unit < names.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${Number(value.toPrecision(4))} ${names[unit]}`;
}

export function duration(seconds: number): string {
  const s = Math.max(0, Math.round(seconds));
  if (s < 60) return `${s}s`;
  if (s < 3600) return `${Math.floor(s / 60)}m${String(s % 60).padStart(2, '0')}s`;
  return `${Math.floor(s / 3600)}h${String(Math.floor((s % 3600) / 60)).padStart(2, '0')}m`;
}

/** Four decimals: enough to tell accuracies apart. */
export const figure = (v: number | undefined): string =>
  v === undefined
    ? '-'
    : Number.isInteger(v) && Math.abs(v) >= 100
      ? grouped(v)
      : Math.abs(v) >= 1000
        ? short(v)
        : v.toFixed(4);

/** `name 0.9812  other 12`, by name. */
export const figuresText = (figures: Readonly<Record<string, number>>, separator = '  '): string =>
  Object.entries(figures)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, v]) => `${name} ${figure(v)}`)
    .join(separator);

/** Columns as wide as their widest cell; numbers flush right. */
export function table(header: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const widths = header.map((h, i) => Math.max(stringWidth(h), ...rows.map((r) => stringWidth(r[i] ?? ''))));
  const numeric = header.map((_, i) => rows.every((r) => /^[-+\d.,%]*[kMGTP]?s?$/.test(r[i] ?? '')));
  const pad = (text: string, i: number): string => {
    const space = ' '.repeat(Math.max(0, widths[i]! - stringWidth(text)));
    return numeric[i] ? space + text : text + space;
  };
  return [header, ...rows].map((row) =>
    header
      .map((_, i) => pad(row[i] ?? '', i))
      .join('  ')
      .trimEnd(),
  );
}

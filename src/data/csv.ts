import { parse } from 'csv-parse/sync';
import { DataError } from './error.ts';
import { readBytes } from './idx.ts';
import type { Column, Dataset } from './dataset.ts';

export interface CsvOptions {
  /** Name of the label's column. */
  readonly label: string;
  /** Whether labels are classes (unless said) or numbers to regress. */
  readonly task?: 'classes' | 'numbers';
  /** Whether features are numbers, standardised (unless said), or whole numbers, kept as they are: for inputs of type i32. */
  readonly features?: 'numbers' | 'whole';
}

const FORMAT = { bom: true, skip_empty_lines: true, trim: true } as const;

interface Rows {
  readonly file: string;
  readonly text: string;
  readonly header: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

function rowsOf(file: string): Rows {
  let text: string;
  let records: string[][];
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(readBytes(file));
    records = parse(text, FORMAT);
  } catch (e) {
    if (e instanceof DataError) throw e;
    throw new DataError('format', file, (e as Error).message);
  }
  const [header, ...rows] = records;
  if (!header || rows.length === 0) throw new DataError('format', file, 'expected a header line and at least one row');
  const twice = header.find((name, i) => header.indexOf(name) !== i);
  if (twice !== undefined)
    throw new DataError('format', file, `column ${JSON.stringify(twice)} stands twice in the header`);
  return { file, text, header, rows };
}

// The line that row `r` (from 0) ends on: rows may hold line breaks, and empty lines between them do not count.
function lineOf(rows: Rows, r: number): number {
  const records = parse(rows.text, { ...FORMAT, info: true }) as unknown as readonly { info: { lines: number } }[];
  return records[r + 1]!.info.lines;
}

function bad(rows: Rows, r: number, column: string, expected: string, found: string): DataError {
  const at = `line ${lineOf(rows, r)}, column ${column}`;
  return new DataError('format', rows.file, `${at}: expected ${expected}, found ${JSON.stringify(found)}`);
}

// What does not fit into f32 is no number here either.
const asNumber = (text: string): number => (text === '' ? NaN : Math.fround(Number(text)));
const asWhole = (text: string): number => {
  const value = text === '' ? NaN : Number(text);
  return Number.isInteger(value) && Math.abs(value) < 2 ** 31 ? value : NaN;
};

// Standardised to mean 0 and variance 1; constant columns become 0.
function standardise(data: Float32Array, rows: number, width: number): void {
  for (let c = 0; c < width; c++) {
    let [sum, squares, low, high] = [0, 0, Infinity, -Infinity];
    for (let r = 0; r < rows; r++) {
      const value = data[r * width + c]!;
      sum += value;
      low = Math.min(low, value);
      high = Math.max(high, value);
    }
    const mean = sum / rows;
    for (let r = 0; r < rows; r++) squares += (data[r * width + c]! - mean) ** 2;
    const std = Math.sqrt(squares / rows);
    for (let r = 0; r < rows; r++) data[r * width + c] = high > low ? (data[r * width + c]! - mean) / std : 0;
  }
}

function featureColumn(rows: Rows, at: number, kind: NonNullable<CsvOptions['features']>): Column {
  const { header, rows: cells } = rows;
  const width = header.length - 1;
  if (width === 0) throw new DataError('mismatch', rows.file, 'there is no column but the label');
  const whole = kind === 'whole';
  const read = whole ? asWhole : asNumber;
  const data = new (whole ? Int32Array : Float32Array)(cells.length * width);
  cells.forEach((row, r) => {
    let to = r * width;
    row.forEach((cell, c) => {
      if (c === at) return;
      const value = read(cell);
      if (!Number.isFinite(value)) throw bad(rows, r, header[c]!, whole ? 'a whole number' : 'a number', cell);
      data[to++] = value;
    });
  });
  if (data instanceof Float32Array) standardise(data, cells.length, width);
  return { name: 'features', data, shape: [width], scale: 1, shift: 0 };
}

const byText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

// Numbers in the order of numbers, but only where every class is one: a mixture has no order of its own.
function sortedClasses(names: readonly string[]): readonly string[] {
  const numeric = names.every((n) => n !== '' && Number.isFinite(Number(n)));
  return [...names].sort((a, b) => (numeric ? Number(a) - Number(b) : 0) || byText(a, b));
}

function classColumn(rows: Rows, at: number): { readonly column: Column; readonly classes: number } {
  const name = rows.header[at]!;
  const cells = rows.rows.map((row) => row[at]!);
  const empty = cells.indexOf('');
  if (empty >= 0) throw bad(rows, empty, name, 'a class', '');
  const names = sortedClasses([...new Set(cells)]);
  const index = new Map(names.map((n, i) => [n, i]));
  const data = Int32Array.from(cells, (cell) => index.get(cell)!);
  return { column: { name, data, shape: [], scale: 1, shift: 0 }, classes: names.length };
}

function numberColumn(rows: Rows, at: number): Column {
  const name = rows.header[at]!;
  const data = Float32Array.from(rows.rows, (row, r) => {
    const value = asNumber(row[at]!);
    if (!Number.isFinite(value)) throw bad(rows, r, name, 'a number', row[at]!);
    return value;
  });
  return { name, data, shape: [], scale: 1, shift: 0 };
}

/**
 * A table of numbers with a header line, gzipped or not. Features are all columns but the label, [columns]. Class labels may be any text; classes are
 * numbered in their sorted order. Throws DataError, which names file, line and column.
 */
export function csv(file: string, options: CsvOptions): Dataset {
  const rows = rowsOf(file);
  const { header } = rows;
  const at = header.indexOf(options.label);
  if (at < 0) {
    const there = `there is no column ${JSON.stringify(options.label)}; there are ${header.join(', ')}`;
    throw new DataError('mismatch', file, there);
  }
  const features = [featureColumn(rows, at, options.features ?? 'numbers')];
  const examples = rows.rows.length;
  if (options.task === 'numbers') {
    return { name: 'csv', classes: null, train: { examples, features, label: numberColumn(rows, at) }, test: null };
  }
  const { column, classes } = classColumn(rows, at);
  return { name: 'csv', classes, train: { examples, features, label: column }, test: null };
}

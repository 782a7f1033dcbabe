import { parse } from 'csv-parse/sync';
import { DataError } from './error.ts';
import { readBytes } from './idx.ts';
import type { Column, Dataset } from './dataset.ts';

export interface CsvOptions {
  /** Name of the label's column. */
  readonly label: string;
  /** Whether labels are classes or numbers to regress. */
  readonly task: 'classes' | 'numbers';
}

function rowsOf(file: string): { header: readonly string[]; rows: readonly (readonly string[])[] } {
  let records: string[][];
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(readBytes(file));
    records = parse(text, { bom: true, skip_empty_lines: true, trim: true });
  } catch (e) {
    if (e instanceof DataError) throw e;
    throw new DataError('format', file, (e as Error).message);
  }
  const [header, ...rows] = records;
  if (!header || rows.length === 0) throw new DataError('format', file, 'expected a header line and at least one row');
  const twice = header.find((name, i) => header.indexOf(name) !== i);
  if (twice !== undefined)
    throw new DataError('format', file, `column ${JSON.stringify(twice)} stands twice in the header`);
  return { header, rows };
}

const asNumber = (text: string): number => (text === '' ? NaN : Number(text));

// Standardised to mean 0 and variance 1; constant columns become 0.
function standardise(data: Float32Array, rows: number, width: number): void {
  for (let c = 0; c < width; c++) {
    let sum = 0;
    let squares = 0;
    for (let r = 0; r < rows; r++) sum += data[r * width + c]!;
    const mean = sum / rows;
    for (let r = 0; r < rows; r++) squares += (data[r * width + c]! - mean) ** 2;
    const std = Math.sqrt(squares / rows);
    for (let r = 0; r < rows; r++) data[r * width + c] = std > 0 ? (data[r * width + c]! - mean) / std : 0;
  }
}

function labelColumn(
  file: string,
  name: string,
  cells: readonly string[],
  task: CsvOptions['task'],
): { column: Column; classes: number | null } {
  const make = (data: Int32Array | Float32Array): Column => ({ name, data, shape: [], scale: 1, shift: 0 });
  if (task === 'classes') {
    const names = [...new Set(cells)].sort((a, b) => asNumber(a) - asNumber(b) || (a < b ? -1 : a > b ? 1 : 0));
    const index = new Map(names.map((n, i) => [n, i]));
    return { column: make(Int32Array.from(cells, (cell) => index.get(cell)!)), classes: names.length };
  }
  const numbers = Float32Array.from(cells, asNumber);
  const bad = numbers.findIndex((v) => !Number.isFinite(v));
  if (bad >= 0) {
    throw new DataError(
      'format',
      file,
      `row ${bad + 2}, column ${name}: expected a number, found ${JSON.stringify(cells[bad])}`,
    );
  }
  return { column: make(numbers), classes: null };
}

/**
 * A table of numbers with a header line. Features are all columns but the label, standardised. Class labels may be any text; classes are numbered in
 * their sorted order.
 */
export function csv(file: string, options: CsvOptions): Dataset {
  const { header, rows } = rowsOf(file);
  const at = header.indexOf(options.label);
  if (at < 0) {
    throw new DataError(
      'mismatch',
      file,
      `there is no column ${JSON.stringify(options.label)}; there are ${header.join(', ')}`,
    );
  }
  const width = header.length - 1;
  if (width === 0) throw new DataError('mismatch', file, 'there is no column but the label');
  const data = new Float32Array(rows.length * width);
  rows.forEach((row, r) => {
    let to = r * width;
    row.forEach((cell, c) => {
      if (c === at) return;
      const value = asNumber(cell);
      if (!Number.isFinite(value)) {
        throw new DataError(
          'format',
          file,
          `row ${r + 2}, column ${header[c]}: expected a number, found ${JSON.stringify(cell)}`,
        );
      }
      data[to++] = value;
    });
  });
  standardise(data, rows.length, width);
  const { column, classes } = labelColumn(
    file,
    options.label,
    rows.map((row) => row[at]!),
    options.task,
  );
  return {
    name: 'csv',
    classes,
    train: {
      examples: rows.length,
      features: [{ name: 'features', data, shape: [width], scale: 1, shift: 0 }],
      label: column,
    },
    test: null,
  };
}

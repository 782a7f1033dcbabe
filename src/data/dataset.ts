import { createHash } from 'node:crypto';
import { DataError } from './error.ts';

/** One feature or label of every example: row-major [examples, ...shape]; its value is data * scale + shift. */
export interface Column {
  readonly name: string;
  readonly data: Uint8Array | Float32Array | Int32Array;
  /** Of one example. */
  readonly shape: readonly number[];
  readonly scale: number;
  readonly shift: number;
}

/** Examples of one table: a feature column for each input, and a label column. */
export interface Table {
  readonly examples: number;
  readonly features: readonly Column[];
  readonly label: Column;
}

/** Labels are class indices (`classes` many), or numbers to regress (`classes` null). */
export interface Dataset {
  readonly name: string;
  readonly classes: number | null;
  readonly train: Table;
  /** Never read but for a best model that is reported. */
  readonly test: Table | null;
}

export function width(column: Column): number {
  return column.shape.reduce((n, d) => n * d, 1);
}

/** The content of a data set: workers refuse to train on another than the study's. */
export function hashDataset(dataset: Dataset): string {
  const hash = createHash('sha256');
  for (const table of [dataset.train, dataset.test]) {
    if (!table) continue;
    for (const c of [...table.features, table.label]) {
      hash.update(`${c.name}:${c.data.constructor.name}:${c.shape.join('x')}:${c.scale}:${c.shift};`);
      hash.update(new Uint8Array(c.data.buffer, c.data.byteOffset, c.data.byteLength));
    }
  }
  return hash.digest('hex').slice(0, 32);
}

/** Checks that every column has a row for each example, and that class labels are in range. */
export function checkTable(table: Table, classes: number | null, file: string): void {
  for (const c of [...table.features, table.label]) {
    if (c.data.length !== table.examples * width(c)) {
      const rows = Math.floor(c.data.length / Math.max(1, width(c)));
      throw new DataError(
        'mismatch',
        file,
        `column ${c.name} has ${rows} rows, but there are ${table.examples} examples`,
      );
    }
  }
  if (width(table.label) !== 1) {
    throw new DataError('mismatch', file, `a label is one number, found [${table.label.shape.join(', ')}] of them`);
  }
  if (classes === null) return;
  const labels = table.label.data;
  for (let i = 0; i < labels.length; i++) {
    if (!(labels[i]! >= 0 && labels[i]! < classes)) {
      const expected = `a class from 0 to ${classes - 1}`;
      throw new DataError('mismatch', file, `the label of example ${i} (from 0) is ${labels[i]}, expected ${expected}`);
    }
  }
}

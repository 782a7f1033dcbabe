import { philoxInto } from '../../base/philox.ts';
import type { Key } from '../../base/philox.ts';
import type { AttrKind, Attrs } from '../../ir/op.ts';
import { isPowerOfTwo } from '../hadamard.ts';
import { nameOf, numberOf } from './attrs.ts';

/** Random matrices P [rows, columns] of which no entry is stored: each is a function of key, stream and place. */
export const KINDS = ['rademacher', 'gaussian', 'sparse', 'fastfood'] as const;
export type Kind = (typeof KINDS)[number];

export const PROJECTION_ATTRS = {
  kind: { oneOf: KINDS },
  key0: 'u32',
  key1: 'u32',
  /** Which of the matrices of this key: one for each tensor. */
  stream: 'u32',
  /** Rows of a stratum of `sparse`; 0: √rows, rounded, or the most there may be. */
  stratum: 'u32',
} as const satisfies Readonly<Record<string, AttrKind>>;

export interface Projection {
  readonly rows: number;
  readonly columns: number;
  readonly kind: Kind;
  readonly key: Key;
  readonly stream: number;
  readonly stratum: number;
}

export const projectionOf = (attrs: Attrs, rows: number, columns: number): Projection => ({
  rows,
  columns,
  kind: nameOf(attrs, 'kind') as Kind,
  key: [numberOf(attrs, 'key0'), numberOf(attrs, 'key1')],
  stream: numberOf(attrs, 'stream'),
  stratum: numberOf(attrs, 'stratum') || Math.min(MOST_STRATUM, Math.max(1, Math.round(Math.sqrt(rows)))),
});

const MOST_ROWS = 2 ** 31;
const MOST_STREAMS = 2 ** 30;
/** Places in a stratum are 15 bits. */
const MOST_STRATUM = 2 ** 15;

/** What is wrong with a projection, or null. */
export function projectionProblem(attrs: Attrs, rows: number, columns: number): string | null {
  const p = projectionOf(attrs, rows, columns);
  if (columns > rows) return `a subspace of ${columns} dimensions does not fit ${rows} numbers`;
  if (rows > MOST_ROWS) return `${rows} numbers are more than 2^31`;
  if (p.stream >= MOST_STREAMS) return `stream ${p.stream} is not below 2^30`;
  if (p.stratum > MOST_STRATUM) return `strata of ${p.stratum} rows are longer than ${MOST_STRATUM}`;
  return null;
}

/** What the third word of a counter says: the tensor, and what the words are for. */
export const PURPOSES = { entries: 0, scales: 1, order: 2 } as const;
const words = new Uint32Array(4);
function block(p: Projection, first: number, second: number, purpose: keyof typeof PURPOSES): Uint32Array {
  philoxInto(words, first, second, 4 * p.stream + PURPOSES[purpose], 0, p.key[0], p.key[1]);
  return words;
}

/** Box-Muller on the words of a block: u = (word + 1/2)·2⁻³²; words 0 and 1 give r·cos and r·sin, 2 and 3 likewise. */
export function normalOf(w: Uint32Array, lane: number): number {
  const first = lane & 2;
  const radius = Math.sqrt(-2 * Math.log((w[first]! + 0.5) / 2 ** 32));
  const turn = (2 * Math.PI * (w[first + 1]! + 0.5)) / 2 ** 32;
  return radius * (lane % 2 === 0 ? Math.cos(turn) : Math.sin(turn));
}

/** Every entry that is not zero, `fastfood` left out: it has no entries of its own. */
export function forEachEntry(p: Projection, visit: (row: number, column: number, value: number) => void): void {
  if (p.kind === 'sparse') return forEachSparse(p, visit);
  const signs = p.kind === 'rademacher';
  for (let row = 0; row < p.rows; row += 4) {
    for (let column = 0; column < p.columns; column++) {
      const w = block(p, row / 4, signs ? column >>> 5 : column, 'entries');
      for (let lane = 0; lane < Math.min(4, p.rows - row); lane++) {
        const sign = (w[lane]! >>> (column & 31)) & 1 ? -1 : 1;
        visit(row + lane, column, signs ? sign / Math.sqrt(p.rows) : normalOf(w, lane));
      }
    }
  }
}

// One entry in each stratum of a column: 15 bits say where, one says the sign.
function forEachSparse(p: Projection, visit: (row: number, column: number, value: number) => void): void {
  const strata = Math.ceil(p.rows / p.stratum);
  for (let t = 0; t < strata; t++) {
    const first = t * p.stratum;
    const size = Math.min(p.stratum, p.rows - first);
    for (let column = 0; column < p.columns; column++) {
      const half = (block(p, t >>> 3, column, 'entries')[(t & 7) >> 1]! >>> (16 * (t & 1))) & 0xffff;
      const place = Math.floor(((half >> 1) * size) / 2 ** 15);
      visit(first + place, column, (half & 1 ? -1 : 1) / Math.sqrt(strata));
    }
  }
}

/** The parts of fastfood (Le, Sarlós and Smola 2013): P = H·G·Π·H·B / √(rows·ΣG²), cut to rows and columns. */
export interface Fastfood {
  readonly length: number;
  readonly signs: Float64Array;
  readonly scales: Float64Array;
  readonly order: Uint32Array;
  readonly divisor: number;
}

export function fastfoodOf(p: Projection): Fastfood {
  let length = 1;
  while (length < p.rows) length *= 2;
  const each = (f: (i: number) => number): Float64Array => Float64Array.from({ length }, (_, i) => f(i));
  const signs = each((i) => ((block(p, i >>> 7, 0, 'entries')[(i >>> 5) & 3]! >>> (i & 31)) & 1 ? -1 : 1));
  const scales = each((i) => normalOf(block(p, i >>> 2, 0, 'scales'), i & 3));
  const keys = block(p, 0, 0, 'order').slice();
  const order = Uint32Array.from({ length }, (_, i) => permuted(i, length, keys));
  const divisor = Math.sqrt(p.rows * scales.reduce((sum, g) => sum + g * g, 0));
  return { length, signs, scales, order, divisor };
}

/** Place i of a random order of 0 .. length−1: four Feistel rounds over an even number of bits, again until it is below `length`. */
export function permuted(i: number, length: number, keys: Uint32Array): number {
  if (!isPowerOfTwo(length)) throw new Error('bug: the order of a length that is no power of two');
  const half = Math.ceil(Math.log2(length) / 2);
  if (half === 0) return 0;
  const mask = 2 ** half - 1;
  let at = i;
  do {
    let [left, right] = [at >>> half, at & mask];
    for (const key of keys) [left, right] = [right, left ^ (mixed(right ^ key) >>> (32 - half))];
    at = ((left << half) | right) >>> 0;
  } while (at >= length);
  return at;
}

function mixed(x: number): number {
  const a = Math.imul(x, 0x9e3779b1);
  return Math.imul(a ^ (a >>> 15), 0x85ebca6b) >>> 0;
}

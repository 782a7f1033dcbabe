import { PRECISIONS, roundBf16 } from '../base/precision.ts';
import { f32, numel } from '../base/tensor-type.ts';
import type { Shape } from '../base/tensor-type.ts';
import { Unfit } from '../base/unfit.ts';
import { defineOp } from '../ir/define-op.ts';
import type { Value } from '../ir/graph.ts';
import type { AttrKind, Attrs, NdArray, Sample } from '../ir/op.ts';
import { nameOf, numberOf } from './lib/attrs.ts';
import { innerProducts } from './lib/cost.ts';
import { ndArray } from './lib/nd.ts';
import { arrayAt, dim, shapeAt, showShape } from './lib/types.ts';

/** How a product rounds its operands: not at all, or to bf16. */
export const precisionAttr: AttrKind = { oneOf: PRECISIONS, default: 'f32' };

interface Product {
  readonly shape: readonly number[];
  readonly batch: number;
  readonly m: number;
  readonly n: number;
  readonly k: number;
}

/** Sizes of the product of two matrices or of two equally long batches of them. Throws Unfit. */
function productOf(a: Shape, b: Shape, attrs: Attrs): Product {
  const [transA, transB] = [truthOf(attrs, 'transA'), truthOf(attrs, 'transB')];
  const shapes = `${showShape(a)} and ${showShape(b)}`;
  if (a.length !== b.length || a.length > 3) {
    throw new Unfit(`matmul of ${shapes}`, 'two matrices, or two batches of matrices', shapes);
  }
  const lead = a.slice(0, -2);
  if (numel(lead) !== numel(b.slice(0, -2))) {
    throw new Unfit(`matmul of batches of different length`, `batches of ${numel(lead)}`, shapes);
  }
  const [m, k] = lastTwo(a, transA);
  const [inner, n] = lastTwo(b, transB);
  if (k !== inner) throw new Unfit(`matmul of ${shapes}: inner sizes differ`, `inner size ${k}`, String(inner));
  return { shape: [...lead, m, n], batch: numel(lead), m, n, k };
}

function truthOf(attrs: Attrs, name: string): boolean {
  const value = numberOf(attrs, name);
  if (value > 1) throw new Unfit(`matmul: ${name} is ${value}`, '0 or 1', String(value));
  return value === 1;
}

function lastTwo(shape: Shape, swapped: boolean): readonly [number, number] {
  const [rows, columns] = [dim(shape, shape.length - 2), dim(shape, shape.length - 1)];
  return swapped ? [columns, rows] : [rows, columns];
}

const SIZES: readonly (readonly [number, number, number])[] = [
  [1, 1, 1],
  [0, 3, 2],
  [3, 0, 2],
  [3, 2, 0],
  [1, 17, 5],
  [17, 1, 5],
  [2, 3, 4],
  [7, 15, 16],
  [14, 32, 33],
  [15, 33, 31],
  [16, 16, 16],
  [17, 31, 63],
  [33, 65, 17],
  [65, 10, 129],
];
const trans = (transA: number, transB: number, precision = 'f32'): Attrs => ({ transA, transB, precision });
const rounded = (x: NdArray, precision: string): NdArray =>
  precision === 'bf16' ? { shape: x.shape, data: x.data.map(roundBf16) } : x;
const matrix = (rows: number, columns: number, swapped: number, ...lead: readonly number[]) =>
  swapped ? f32(...lead, columns, rows) : f32(...lead, rows, columns);
const sample = (m: number, n: number, k: number, tA: number, tB: number, ...lead: readonly number[]): Sample => ({
  inputs: [matrix(m, k, tA, ...lead), matrix(k, n, tB, ...lead)],
  attrs: trans(tA, tB),
});
const bf16Sample = (m: number, n: number, k: number, tA: number, tB: number, ...lead: readonly number[]): Sample => ({
  ...sample(m, n, k, tA, tB, ...lead),
  attrs: trans(tA, tB, 'bf16'),
});

export const matmul = defineOp({
  name: 'matmul',
  doc: 'Matrix product y = a·b of two matrices, or of each pair of two batches. transA: a is [k, m]; transB: b is [n, k]. f32 accumulation; precision bf16 rounds a and b to bf16 first.',
  inputs: { a: 'f32[...lead, p, q]', b: 'f32[...batch, r, s]' },
  outputs: { y: 'f32[...lead, m, n]' },
  attrs: { transA: 'u32', transB: 'u32', precision: precisionAttr },
  infer: (inputs, attrs) => [f32(...productOf(shapeAt(inputs, 0), shapeAt(inputs, 1), attrs).shape)],
  grad: (g) => {
    const dy = g.dOutput(0);
    if (!dy) return [null, null];
    const [tA, tB] = [numberOf(g.attrs, 'transA'), numberOf(g.attrs, 'transB')];
    const product = (a: Value, b: Value, transA: number, transB: number) =>
      g.builder.one(matmul, [a, b], trans(transA, transB, nameOf(g.attrs, 'precision')));
    const dA = () => {
      const b = g.input(1);
      return tA ? product(b, dy, tB, 1) : product(dy, b, 0, 1 - tB);
    };
    const dB = () => {
      const a = g.input(0);
      return tB ? product(dy, a, 1, tA) : product(a, dy, 1 - tA, 0);
    };
    return [g.wants(0) ? dA() : null, g.wants(1) ? dB() : null];
  },
  cost: (inputs, outputs, attrs) =>
    innerProducts(shapeAt(outputs, 0), productOf(shapeAt(inputs, 0), shapeAt(inputs, 1), attrs).k),
  reference: (inputs, attrs) => {
    const precision = nameOf(attrs, 'precision');
    const [a, b] = [rounded(arrayAt(inputs, 0), precision), rounded(arrayAt(inputs, 1), precision)];
    const { shape, batch, m, n, k } = productOf(a.shape, b.shape, attrs);
    const y = ndArray(shape);
    const [aRow, aColumn] = numberOf(attrs, 'transA') ? [1, m] : [k, 1];
    const [bRow, bColumn] = numberOf(attrs, 'transB') ? [1, k] : [n, 1];
    for (let i = 0; i < batch * m; i++) {
      const [page, row] = [Math.floor(i / m), i % m];
      for (let j = 0; j < n; j++) {
        let total = 0;
        const [at, bt] = [page * m * k + row * aRow, page * k * n + j * bColumn];
        for (let l = 0; l < k; l++) total += a.data[at + l * aColumn]! * b.data[bt + l * bRow]!;
        y.data[i * n + j] = total;
      }
    }
    return [y];
  },
  samples: [
    ...SIZES.flatMap(([m, n, k], i) => [sample(m, n, k, i & 1, (i >> 1) & 1), sample(m, n, k, 0, i & 1)]),
    ...[0, 1, 2, 3].flatMap((t) => [
      sample(15, 33, 17, t & 1, t >> 1),
      sample(5, 17, 9, t & 1, t >> 1, 3),
      sample(129, 130, 261, t & 1, t >> 1),
    ]),
    sample(2, 3, 4, 0, 0, 0),
    sample(3, 3, 3, 0, 1, 1),
    sample(64, 64, 16, 0, 1, 24),
    sample(64, 200, 784, 0, 1),
    sample(330, 320, 70, 0, 0),
    sample(40, 30, 2100, 1, 0),
    ...SIZES.map(([m, n, k], i) => bf16Sample(m, n, k, (i >> 1) & 1, i & 1)),
    ...[0, 1, 2, 3].flatMap((t) => [
      bf16Sample(15, 33, 47, t & 1, t >> 1),
      bf16Sample(5, 17, 9, t & 1, t >> 1, 3),
      bf16Sample(129, 130, 1101, t & 1, t >> 1),
    ]),
    bf16Sample(64, 200, 784, 0, 1),
    bf16Sample(20, 33, 9001, 1, 0),
  ],
});

import { philoxInto } from '../base/philox.ts';
import { f32, i32 } from '../base/tensor-type.ts';
import { Unfit } from '../base/unfit.ts';
import { defineOp } from '../ir/define-op.ts';
import type { Attrs, Cost } from '../ir/op.ts';
import { numberOf } from './lib/attrs.ts';
import { products } from './lib/cost.ts';
import { ndArray } from './lib/nd.ts';
import { arrayAt, dim, numelAt, shapeAt } from './lib/types.ts';

const SPARSE_ATTRS = { k: 'u32', sparsity: 'f32', key0: 'u32', key1: 'u32', stream: 'u32' } as const;
const MOST_COLUMNS = 2 ** 16;
const MOST_FEATURES = 2 ** 31;

/**
 * The entries of row j of R [features, k] that are not zero: each is there with probability 1/sparsity. Words of the blocks (j, 0), (j, 1), … say how many places are
 * passed over, ⌊ln u / ln(1 − 1/s)⌋ with u = (word + 1/2)·2⁻³², and, with their lowest bit, the sign.
 */
function forEachEntry(j: number, attrs: Attrs, visit: (column: number, sign: number) => void): void {
  const words = new Uint32Array(4);
  const slope = Math.log1p(-1 / numberOf(attrs, 'sparsity'));
  let at = -1;
  for (let i = 0; ; i++) {
    if (i % 4 === 0) {
      const [key0, key1] = [numberOf(attrs, 'key0'), numberOf(attrs, 'key1')];
      philoxInto(words, j, i / 4, numberOf(attrs, 'stream'), 0, key0, key1);
    }
    const word = words[i % 4]!;
    at += 1 + Math.floor(Math.log((word + 0.5) / 2 ** 32) / slope);
    if (at >= numberOf(attrs, 'k')) return;
    visit(at, word & 1 ? -1 : 1);
  }
}

const scaleOf = (attrs: Attrs): number => Math.sqrt(numberOf(attrs, 'sparsity') / numberOf(attrs, 'k'));

function problem(attrs: Attrs): string | null {
  const [k, sparsity] = [numberOf(attrs, 'k'), numberOf(attrs, 'sparsity')];
  if (k > MOST_COLUMNS) return `k is ${k}, more than ${MOST_COLUMNS}`;
  return sparsity >= 1 && sparsity <= 1e9 ? null : `sparsity must be from 1 to 1e9, not ${sparsity}`;
}

const costOf = (numbers: number, attrs: Attrs): Cost =>
  products(Math.ceil((numbers * numberOf(attrs, 'k')) / numberOf(attrs, 'sparsity')));

const ATTRS = { k: 7, sparsity: 3, key0: 7, key1: 0, stream: 0 };

export const sparseProject = defineOp({
  name: 'sparse_project',
  doc: 'Very sparse random projection of data (Li, Hastie and Church 2006): y = x·R with R[j, c] = ±√(sparsity/k) with probability 1/sparsity, else 0. Lengths are kept in the mean. R is never stored.',
  inputs: { x: 'f32[rows, features]' },
  outputs: { y: 'f32[rows, k]' },
  attrs: SPARSE_ATTRS,
  check: (_inputs, attrs) => problem(attrs),
  stopsGradient: true,
  cost: (inputs, _outputs, attrs) => costOf(numelAt(inputs, 0), attrs),
  reference: (inputs, attrs) => {
    const x = arrayAt(inputs, 0);
    const [rows, features] = x.shape as [number, number];
    const k = numberOf(attrs, 'k');
    const y = ndArray([rows, k]);
    for (let j = 0; j < features; j++)
      forEachEntry(j, attrs, (c, sign) => {
        for (let r = 0; r < rows; r++) y.data[r * k + c]! += sign * scaleOf(attrs) * x.data[r * features + j]!;
      });
    return [y];
  },
  samples: [
    { inputs: [f32(1, 1)], attrs: { ...ATTRS, k: 1, sparsity: 1 } },
    { inputs: [f32(0, 5)], attrs: ATTRS },
    { inputs: [f32(3, 0)], attrs: ATTRS },
    { inputs: [f32(2, 5)], attrs: { ...ATTRS, k: 0 } },
    { inputs: [f32(5, 33)], attrs: ATTRS },
    { inputs: [f32(17, 301)], attrs: { ...ATTRS, k: 65, sparsity: Math.fround(17.5), stream: 3 } },
    { inputs: [f32(65, 1031)], attrs: { ...ATTRS, k: 129, sparsity: 32, key1: 9 } },
    { inputs: [f32(3, 40)], attrs: { ...ATTRS, k: 1000, sparsity: 1 } },
    { inputs: [f32(9, 4001)], attrs: { ...ATTRS, k: 100, sparsity: 63 } },
  ],
});

export const sparseProjectCsr = defineOp({
  name: 'sparse_project_csr',
  doc: 'sparse_project of rows that are themselves sparse: row r has the values offsets[r] to offsets[r + 1], at the features that indices say, each below features. The same R.',
  inputs: { values: 'f32[n]', indices: 'i32[n]', offsets: 'i32[ends]' },
  outputs: { y: 'f32[rows, k]' },
  attrs: { ...SPARSE_ATTRS, features: 'u32' },
  check: (_inputs, attrs) => {
    const features = numberOf(attrs, 'features');
    return features > MOST_FEATURES ? `features is ${features}, more than 2^31` : problem(attrs);
  },
  infer: (inputs, attrs) => {
    const ends = dim(shapeAt(inputs, 2), 0);
    if (ends < 1) throw new Unfit('offsets is empty', 'one more than rows', '0');
    return [f32(ends - 1, numberOf(attrs, 'k'))];
  },
  stopsGradient: true,
  cost: (inputs, _outputs, attrs) => costOf(numelAt(inputs, 0), attrs),
  reference: (inputs, attrs) => {
    const [values, indices, offsets] = [arrayAt(inputs, 0), arrayAt(inputs, 1), arrayAt(inputs, 2)];
    const k = numberOf(attrs, 'k');
    const y = ndArray([offsets.data.length - 1, k]);
    for (let r = 0; r + 1 < offsets.data.length; r++)
      for (let i = offsets.data[r]!; i < offsets.data[r + 1]!; i++)
        forEachEntry(indices.data[i]!, attrs, (c, sign) => {
          y.data[r * k + c]! += sign * scaleOf(attrs) * values.data[i]!;
        });
    return [y];
  },
  // Offsets that are drawn are all 0: rows without values. Whole ones are in test/kernels/sparse-projection.test.ts.
  samples: [
    { inputs: [f32(0), i32(0), i32(1)], attrs: { ...ATTRS, features: 0 }, fill: ['normal', 'below:1', 'below:1'] },
    { inputs: [f32(5), i32(5), i32(3)], attrs: { ...ATTRS, features: 9 }, fill: ['normal', 'below:9', 'below:1'] },
    {
      inputs: [f32(5), i32(5), i32(17)],
      attrs: { ...ATTRS, k: 40, features: 9 },
      fill: ['normal', 'below:9', 'below:1'],
    },
  ],
});

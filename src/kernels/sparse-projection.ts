import { showType } from '../base/tensor-type.ts';
import { sparseProject, sparseProjectCsr } from '../ops/sparse-project.ts';
import { option, readReal, readSeed, readWhole, tensorOf } from './args.ts';
import type { Key } from '../base/philox.ts';
import { badShape, badValue } from './error.ts';
import { defineKernel } from './kernel.ts';

const MOST = 65536;
const MOST_FEATURES = 2 ** 31;

const WHICH = {
  k: option({ doc: 'numbers of a projected row', read: readWhole(0, MOST) }),
  sparsity: option<number, number>({
    doc: 'one entry of R in so many is not zero; 0: √features (Li, Hastie and Church 2006)',
    read: readReal(0, 1e9),
    default: 0,
  }),
  seed: option<number | bigint, Key>({ doc: 'a whole number, or a bigint of 64 bits', read: readSeed, default: 0 }),
} as const;

interface Which {
  readonly k: number;
  readonly sparsity: number;
  readonly seed: Key;
}

function attrsOf({ k, sparsity, seed: [key0, key1] }: Which, features: number): Record<string, number> {
  if (sparsity > 0 && sparsity < 1) throw badValue('sparsity', '0, or at least 1', String(sparsity));
  return { k, sparsity: sparsity || Math.max(1, Math.sqrt(features)), key0, key1, stream: 0 };
}

const dense = defineKernel({
  name: 'sparseProjection.dense',
  args: { x: tensorOf('f32[rows, features]', 'rows of data'), ...WHICH },
  outputs: { y: null },
  build: (b, { x, ...which }, { features }) => {
    if (features! > MOST_FEATURES) throw badShape('x', 'at most 2^31 features', showType(x.type));
    return { y: b.one(sparseProject, [x], attrsOf(which, features!)) };
  },
});

const csr = defineKernel({
  name: 'sparseProjection.csr',
  args: {
    values: tensorOf('f32[n]', 'of all rows'),
    indices: tensorOf('i32[n]', 'the feature of each value'),
    offsets: tensorOf('i32[ends]', 'where each row begins among the values, and the end of the last'),
    features: option({ doc: 'how many there are', read: readWhole(0, MOST_FEATURES) }),
    ...WHICH,
  },
  outputs: { y: null },
  build: (b, { values, indices, offsets, features, ...which }, { ends }) => {
    if (ends === 0) throw badShape('offsets', 'one more than rows', 'i32[0]');
    return { y: b.one(sparseProjectCsr, [values, indices, offsets], { ...attrsOf(which, features), features }) };
  },
});

/**
 * Very sparse random projections of data, which keep distances in the mean: y = x·R, R [features, k] never stored.
 * `dense({ x, k, sparsity, seed })`, and `csr({ values, indices, offsets, features, k, … })` of rows that are lists -> `{ y }` [rows, k], by the same R.
 */
export const sparseProjection = {
  dense: dense.call,
  denseSync: dense.callSync,
  csr: csr.call,
  csrSync: csr.callSync,
};

import { showType } from '../base/tensor-type.ts';
import { sparseProject, sparseProjectCsr } from '../ops/sparse-project.ts';
import { option, readReal, readSeed, readWhole, tensorOf } from './args.ts';
import type { Key } from '../base/philox.ts';
import { badShape, badValue } from './error.ts';
import { defineKernel } from './kernel.ts';

const MOST = 65536;
const MOST_FEATURES = 2 ** 31;

const WHICH = {
  /** Numbers of a projected row, up to 65,536. */
  k: option({ read: readWhole(0, MOST) }),
  /** One entry of R in so many is not zero, from 1 to 1e9; 0, the default: √features. */
  sparsity: option<number, number>({ read: readReal(0, 1e9), default: 0 }),
  /** A whole number below 2^53, or a bigint below 2^64. Default 0. */
  seed: option<number | bigint, Key>({ read: readSeed, default: 0 }),
} as const;

const PROJECTED = {
  /** [rows, k]. */
  y: null,
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
  args: {
    /** Rows of data [rows, features]. */
    x: tensorOf('f32[rows, features]'),
    ...WHICH,
  },
  outputs: PROJECTED,
  build: (b, { x, ...which }, { features }) => {
    if (features! > MOST_FEATURES) throw badShape('x', 'at most 2^31 features', showType(x.type));
    return { y: b.one(sparseProject, [x], attrsOf(which, features!)) };
  },
});

const csr = defineKernel({
  name: 'sparseProjection.csr',
  args: {
    /** The values of all rows, one row after another [n]. */
    values: tensorOf('f32[n]'),
    /** The feature of each value [n]; one that stands twice in a row counts twice. */
    indices: tensorOf('i32[n]'),
    /** Where each row begins among the values, and the end of the last [rows + 1]. */
    offsets: tensorOf('i32[ends]'),
    /** How many features there are, up to 2^31. */
    features: option({ read: readWhole(0, MOST_FEATURES) }),
    ...WHICH,
  },
  outputs: PROJECTED,
  build: (b, { values, indices, offsets, features, ...which }, { ends }) => {
    if (ends === 0) throw badShape('offsets', 'one more than rows', 'i32[0]');
    return { y: b.one(sparseProjectCsr, [values, indices, offsets], { ...attrsOf(which, features), features }) };
  },
});

/** Very sparse random projections of data, which keep distances in the mean (Li, Hastie and Church 2006): y = x·R, R [features, k] never stored. */
export const sparseProjection = {
  /** x·R of rows of numbers: x [rows, features] -> `{ y }` [rows, k]. */
  dense: dense.call,
  /** `dense`, here and now. */
  denseSync: dense.callSync,
  /** x·R, by the same R, of rows that are lists of values and features -> `{ y }` [rows, k]. Throws a TenonError where an index or offset is outside. */
  csr: csr.call,
  /** `csr`, here and now. */
  csrSync: csr.callSync,
};

import { numel, showType } from '../base/tensor-type.ts';
import type { Key } from '../base/philox.ts';
import type { Builder } from '../ir/builder.ts';
import type { Value } from '../ir/graph.ts';
import type { Attrs } from '../ir/op.ts';
import { add, affine, div, mul } from '../ops/elementwise.ts';
import { KINDS } from '../ops/lib/projection.ts';
import type { Kind } from '../ops/lib/projection.ts';
import { concat, slice } from '../ops/shape.ts';
import { subspaceNorms, subspaceProject, subspaceTranspose } from '../ops/subspace.ts';
import { choice, maybe, option, readReal, readSeed, readWhole, tensorOf } from './args.ts';
import { readNamed } from './call.ts';
import { badShape, badType, badValue, describe } from './error.ts';
import { backwardOf, defineKernel } from './kernel.ts';

const MOST = 2 ** 31;

/** Which P: the same arguments are the same matrix, in every call and on every machine. */
const WHICH = {
  /** `fastfood` (the default), `sparse`, `rademacher` or `gaussian`. */
  kind: choice(KINDS, 'fastfood'),
  /** A whole number below 2^53, or a bigint below 2^64. Default 0. */
  seed: option<number | bigint, Key>({ read: readSeed, default: 0 }),
  /** Another matrix of the same seed: one for each tensor, below 2^30. Default 0. */
  stream: option({ read: readWhole(0, 2 ** 30 - 1), default: 0 }),
  /** Of `sparse`: rows that share one entry of a column, up to 2^15; 0, the default: √D. */
  stratum: option({ read: readWhole(0, 2 ** 15), default: 0 }),
} as const;

interface Which {
  readonly kind: Kind;
  readonly seed: Key;
  readonly stream: number;
  readonly stratum: number;
}

const attrsOf = ({ kind, seed: [key0, key1], stream, stratum }: Which): Attrs => ({
  kind,
  key0,
  key1,
  stream,
  stratum,
});

function checkFit(d: number, D: number, argument: string): void {
  if (d > D) throw badValue(argument, `at most the ${D} numbers that it spans`, `${d} dimensions`);
}

// The columns of gaussian are divided by their lengths, of which d are made or given.
function lengthsOf(b: Builder, { seed: [key0, key1], stream }: Which, d: number, rows: number): Value {
  return b.one(subspaceNorms, [], { d, rows, key0, key1, stream });
}

const MOST_TENSORS = 4096;

function readSizes(value: unknown, argument: string): readonly number[] {
  if (!Array.isArray(value)) throw badType(argument, 'an array of whole numbers', describe(value));
  if (value.length > MOST_TENSORS) throw badValue(argument, `at most ${MOST_TENSORS} of them`, describe(value));
  return Array.from(value, (size: unknown, i) => readWhole(0, MOST)(size, `${argument}[${i}]`));
}

// λ_i·(P·v)_i for the numbers of each tensor, one after another.
function scaledParts(b: Builder, all: Value, lambda: Value, sizes: readonly number[], D: number): Value {
  const [count] = lambda.type.shape;
  const total = sizes.reduce((sum, size) => sum + size, 0);
  if (sizes.length !== count) throw badValue('sizes', `${count}, one for each number of lambda`, `${sizes.length}`);
  if (total !== D) throw badValue('sizes', `numbers that sum up to D = ${D}`, `a sum of ${total}`);
  let at = 0;
  const parts = sizes.map((size, i) => {
    const part = b.one(slice, [all], { axis: 0, start: at, size });
    at += size;
    return b.one(mul, [part, b.one(slice, [lambda], { axis: 0, start: i, size: 1 })]);
  });
  return parts.length === 0 ? all : b.one(concat, parts, { axis: 0 });
}

const project = defineKernel({
  name: 'subspace.project',
  args: {
    /** Coordinates [d] in the subspace, d from 0 to D. */
    v: tensorOf('f32[d]'),
    /** How many numbers the subspace lies among, up to 2^31. */
    D: option({ read: readWhole(0, MOST) }),
    ...WHICH,
    /** Where v = 0 is, [D]; none: 0. */
    base: maybe('f32[D]'),
    /** Multiplies P·v. Default 1. */
    scale: option({ read: readReal(), default: 1 }),
    /** Of `gaussian`: lengths of the columns [d], from subspace.norms; made anew where they are not given. */
    norms: maybe('f32[d]'),
    /** A factor for the part of each tensor [tensors] (SAID; Aghajanyan et al. 2020). */
    lambda: maybe('f32[tensors]'),
    /** With lambda: how many of the D numbers each tensor has, in order. */
    sizes: option<readonly number[] | null, readonly number[] | null>({ read: readSizes, default: null }),
  },
  outputs: {
    /** [D]. */
    theta: 'dTheta',
  },
  build: (b, { v, D, base, scale, norms, lambda, sizes, ...which }, { d }) => {
    checkFit(d!, D, 'v');
    if ((lambda === null) !== (sizes === null))
      throw badValue(lambda ? 'sizes' : 'lambda', 'lambda and sizes together', 'one of them alone');
    if (base && numel(base.type.shape) !== D) throw badShape('base', `f32[D] with D = ${D}`, showType(base.type));
    let x = scale === 1 ? v : b.one(affine, [v], { scale, shift: 0 });
    if (which.kind === 'gaussian') x = b.one(div, [x, norms ?? lengthsOf(b, which, d!, D)]);
    const attrs = { dims: [D], ...attrsOf(which) };
    if (!lambda) return { theta: b.one(subspaceProject, [x, base], attrs) };
    const moved = scaledParts(b, b.one(subspaceProject, [x, null], attrs), lambda, sizes!, D);
    return { theta: base ? b.one(add, [base, moved]) : moved };
  },
});

const transpose = defineKernel({
  name: 'subspace.transpose',
  args: {
    /** A gradient of theta [D]. */
    g: tensorOf('f32[D]'),
    /** Dimensions of the subspace, from 0 to D. */
    d: option({ read: readWhole(0, MOST) }),
    ...WHICH,
    /** Multiplies Pᵀ·g. Default 1. */
    scale: option({ read: readReal(), default: 1 }),
    /** Of `gaussian`: as for project. */
    norms: maybe('f32[d]'),
  },
  outputs: {
    /** [d]. */
    v: null,
  },
  build: (b, { g, d, scale, norms, ...which }, { D }) => {
    checkFit(d, D!, 'd');
    let v = b.one(subspaceTranspose, [g], { d, ...attrsOf(which) });
    if (norms && numel(norms.type.shape) !== d) throw badShape('norms', `f32[d] with d = ${d}`, showType(norms.type));
    if (which.kind === 'gaussian') v = b.one(div, [v, norms ?? lengthsOf(b, which, d, D!)]);
    return { v: scale === 1 ? v : b.one(affine, [v], { scale, shift: 0 }) };
  },
});

const norms = defineKernel({
  name: 'subspace.norms',
  args: {
    /** Rows of P, up to 2^31. */
    D: option({ read: readWhole(0, MOST) }),
    /** Columns of P, from 0 to D. */
    d: option({ read: readWhole(0, MOST) }),
    /** As for project. */
    seed: WHICH.seed,
    /** As for project. */
    stream: WHICH.stream,
  },
  outputs: {
    /** [d]. */
    norms: null,
  },
  build: (b, { D, d, seed, stream }) => {
    checkFit(d, D, 'd');
    return { norms: lengthsOf(b, { kind: 'gaussian', seed, stream, stratum: 0 }, d, D) };
  },
});

/** Random subspaces (Li et al. 2018): a random P [D, d], a function of seed and stream, whose columns are of length 1 and of which nothing is stored. */
export const subspace = {
  /**
   * theta = base + scale·P·v: v [d], base [D] -> `{ theta, ctx }`. With `lambda` and `sizes` the part of each tensor has a factor of its own:
   * theta_i = base_i + scale·lambda_i·(P·v)_i. Throws a TenonError that names what does not fit, as d above D.
   */
  project: project.call,
  /** `project`, here and now. */
  projectSync: project.callSync,
  /** scale·Pᵀ·g, the gradient of `project`: g [D] -> `{ v }` [d]. */
  transpose: transpose.call,
  /** `transpose`, here and now. */
  transposeSync: transpose.callSync,
  /** Lengths of the columns of `gaussian`, which `project` and `transpose` otherwise make in every call -> `{ norms }` [d]. */
  norms: norms.call,
  /** `norms`, here and now. */
  normsSync: norms.callSync,
  ...backwardOf(project),
};

/** Dimensions that keep all distances of so many points to 1 ± distortion (Johnson and Lindenstrauss 1984; Dasgupta and Gupta 2003): 4·ln n / (ε²/2 − ε³/3). */
export function johnsonLindenstrauss(args: { readonly points: number; readonly distortion: number }): number {
  const named = readNamed(args, ['points', 'distortion']);
  const n = readWhole(1, 2 ** 53)(named['points'], 'points');
  const e = readReal(0, 1)(named['distortion'], 'distortion');
  if (e === 0 || e === 1) throw badValue('distortion', 'a number between 0 and 1', String(e));
  const dimensions = Math.floor((4 * Math.log(n)) / (e ** 2 / 2 - e ** 3 / 3));
  if (!Number.isSafeInteger(dimensions))
    throw badValue('distortion', 'one that takes fewer than 2^53 dimensions', String(e));
  return dimensions;
}

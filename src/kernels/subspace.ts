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
import { maybe, option, readChoice, readReal, readSeed, readWhole, tensorOf } from './args.ts';
import { readNamed } from './call.ts';
import { badShape, badType, badValue, describe } from './error.ts';
import { backwardOf, defineKernel } from './kernel.ts';

const MOST = 2 ** 31;

/** Which P: the same arguments are the same matrix, in every call and on every machine. */
const WHICH = {
  kind: option<Kind, Kind>({
    doc: 'fastfood, sparse, rademacher or gaussian',
    read: readChoice(KINDS),
    default: 'fastfood',
  }),
  seed: option<number | bigint, Key>({ doc: 'a whole number, or a bigint of 64 bits', read: readSeed, default: 0 }),
  stream: option({
    doc: 'another matrix of the same seed: one for each tensor',
    read: readWhole(0, 2 ** 30 - 1),
    default: 0,
  }),
  stratum: option({
    doc: 'sparse: rows that share one entry of a column; 0: √D',
    read: readWhole(0, 2 ** 15),
    default: 0,
  }),
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
    v: tensorOf('f32[d]', 'coordinates'),
    D: option({ doc: 'numbers that the subspace lies among', read: readWhole(0, MOST) }),
    ...WHICH,
    base: maybe('f32[D]', 'where v = 0 is'),
    scale: option({ doc: 'multiplies P·v', read: readReal(), default: 1 }),
    norms: maybe('f32[d]', 'gaussian: lengths of the columns, from subspace.norms; made anew where they are not given'),
    lambda: maybe('f32[tensors]', 'a factor for the part of each tensor (SAID; Aghajanyan et al. 2020)'),
    sizes: option<readonly number[] | null, readonly number[] | null>({
      doc: 'with lambda: how many of the D numbers each tensor has, in order',
      read: readSizes,
      default: null,
    }),
  },
  outputs: { theta: 'dTheta' },
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
    g: tensorOf('f32[D]', 'a gradient of theta'),
    d: option({ doc: 'dimensions of the subspace', read: readWhole(0, MOST) }),
    ...WHICH,
    scale: option({ doc: 'multiplies Pᵀ·g', read: readReal(), default: 1 }),
    norms: maybe('f32[d]', 'gaussian: as for project'),
  },
  outputs: { v: null },
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
    D: option({ doc: 'rows', read: readWhole(0, MOST) }),
    d: option({ doc: 'columns', read: readWhole(0, MOST) }),
    seed: WHICH.seed,
    stream: WHICH.stream,
  },
  outputs: { norms: null },
  build: (b, { D, d, seed, stream }) => {
    checkFit(d, D, 'd');
    return { norms: lengthsOf(b, { kind: 'gaussian', seed, stream, stratum: 0 }, d, D) };
  },
});

/**
 * Random subspaces (Li et al. 2018): theta = base + scale·P·v with a random P [D, d] whose columns are of length 1 and of which nothing is stored.
 * `project({ v, D, kind, seed, stream, base, scale, lambda, sizes })` -> `{ theta }`, its gradient `transpose({ g, d, … })` -> `{ v }`, and
 * `backward(ctx, { dTheta })`. With `lambda` [tensors], the part of each tensor has a factor of its own: dlambda_i = <dTheta_i, scale·(P·v)_i>.
 */
export const subspace = {
  project: project.call,
  projectSync: project.callSync,
  transpose: transpose.call,
  transposeSync: transpose.callSync,
  norms: norms.call,
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

import { showType } from '../base/tensor-type.ts';
import type { Builder } from '../ir/builder.ts';
import type { Value } from '../ir/graph.ts';
import { reshape } from '../ops/shape.ts';
import { convolveTucker } from '../ops/tucker-conv.ts';
import { makeTucker, MAX_MODES } from '../ops/tucker-weight.ts';
import { maybe, option, readReal, tensorOf, tensorsOf } from './args.ts';
import { badShape } from './error.ts';
import { backwardOf, defineKernel } from './kernel.ts';
import { checkWindow, convAttrs, fromThree, spatialAxes, toThree, WINDOW } from './spatial.ts';

const SCALED = {
  /** Multiplies the product. Default 1. */
  scale: option({ read: readReal(), default: 1 }),
};
const FACTOR = 'f32[size, rank]';

/** A factor [I, r] for an axis of the core; absent ones are the identity. */
function checkFactor(argument: string, factor: Value | null, rank: number): void {
  if (!factor) return;
  const [size, found] = factor.type.shape as [number, number];
  if (found !== rank) throw badShape(argument, `f32[I, r] with r = ${rank}, as in core`, showType(factor.type));
  if (found < 1 || found > size) throw badShape(argument, 'f32[I, r] with r from 1 to I', showType(factor.type));
}

function checkFactors(argument: string, factors: readonly (Value | null)[], ranks: readonly number[]): void {
  if (factors.length !== ranks.length) {
    throw badShape(argument, `${ranks.length} factors, null for an absent one`, `${factors.length}`);
  }
  factors.forEach((factor, i) => checkFactor(`${argument}[${i}]`, factor, ranks[i]!));
}

const sizeOf = (factor: Value | null, rank: number): number => factor?.type.shape[0] ?? rank;

function checkBase(base: Value | null, shape: readonly number[]): void {
  if (base && String(base.type.shape) !== String(shape)) {
    throw badShape('base', `f32[${shape.join(', ')}]`, showType(base.type));
  }
}

const reconstructKernel = defineKernel({
  name: 'tucker.reconstruct',
  args: {
    /** [r₁, r₂, …]. */
    core: tensorOf('f32[...ranks, last]'),
    /** For each axis of core an [I, r] with r from 1 to I, or null: the identity. At most 5 that are not null. */
    factors: tensorsOf(FACTOR),
    ...SCALED,
  },
  outputs: {
    /** [I₁, I₂, …]. */
    w: 'dw',
  },
  build: (b, { core, factors, scale }) => {
    checkFactors('factors', factors, core.type.shape);
    const given = factors.filter((f) => f !== null).length;
    if (given > MAX_MODES) throw badShape('factors', `at most ${MAX_MODES} that are not null`, `${given}`);
    return { w: makeTucker(b, core, factors, scale) };
  },
});

/** With leading axes of size 1 between the first and the last one, as for a convolution of one tap. */
const asConv = (b: Builder, value: Value): Value => {
  const [first, last] = value.type.shape as [number, number];
  return b.one(reshape, [value], { dims: [first, 1, 1, 1, last] });
};

const linearKernel = defineKernel({
  name: 'tucker.linear',
  args: {
    /** Rows [P, I]. */
    x: tensorOf('f32[rows, in]'),
    /** [I, rank in]; none: the identity. */
    uIn: maybe('f32[in, rankIn]'),
    /** [rank out, rank in]. */
    core: tensorOf('f32[coreOut, coreIn]'),
    /** [O, rank out]; none: the identity. */
    uOut: maybe('f32[out, rankOut]'),
    ...SCALED,
    /** A weight [O, I] that the product is added to. */
    base: maybe('f32[baseOut, in]'),
  },
  outputs: {
    /** [P, O]. */
    y: 'dy',
  },
  build: (b, { x, uIn, core, uOut, scale, base }, { rows, coreOut, coreIn }) => {
    checkFactor('uIn', uIn, coreIn!);
    checkFactor('uOut', uOut, coreOut!);
    const [ins, out] = [sizeOf(uIn, coreIn!), sizeOf(uOut, coreOut!)];
    if (x.type.shape[1] !== ins) throw badShape('x', `f32[P, ${ins}]`, showType(x.type));
    checkBase(base, [out, ins]);
    const weight = { uIn, core: asConv(b, core), uOut, scale, base: base && asConv(b, base) };
    const y = convolveTucker(b, asConv(b, x), weight, convAttrs({ stride: 1, padding: 0, dilation: 1 }, 3));
    return { y: b.one(reshape, [y], { dims: [rows!, out] }) };
  },
});

const convKernel = defineKernel({
  name: 'tucker.conv',
  args: {
    /** Images [B, …S, C] of one to three axes S, channels last. */
    x: tensorOf('f32[...image, in]'),
    /** [rank out, …rank K, rank in]. */
    core: tensorOf('f32[...kernel, coreIn]'),
    /** [O, rank out]; none: the identity. */
    uOut: maybe('f32[out, rankOut]'),
    /** For each axis S a [K, rank K], or null: the identity. */
    uK: tensorsOf(FACTOR),
    /** [C, rank in]; none: the identity. */
    uIn: maybe('f32[in, rankIn]'),
    ...SCALED,
    /** A weight [O, …K, C] that the product is added to. */
    base: maybe('f32[...weight, baseIn]'),
    ...WINDOW,
  },
  outputs: {
    /** [B, …S', O] with S' = floor((S + 2·padding − dilation·(K − 1) − 1)/stride) + 1. */
    y: 'dy',
  },
  build: (b, { x, core, uOut, uK, uIn, scale, base, ...window }) => {
    const axes = spatialAxes(x);
    const ranks = core.type.shape;
    if (ranks.length !== axes + 2) {
      throw badShape('core', `f32[rank out, …rank K, rank in] with ${axes} axes K`, showType(core.type));
    }
    checkFactor('uOut', uOut, ranks[0]!);
    checkFactors('uK', uK, ranks.slice(1, -1));
    checkFactor('uIn', uIn, ranks.at(-1)!);
    const [out, ins] = [sizeOf(uOut, ranks[0]!), sizeOf(uIn, ranks.at(-1)!)];
    if (x.type.shape.at(-1) !== ins) throw badShape('x', `f32[B, …S, ${ins}]`, showType(x.type));
    const windows = uK.map((u, i) => sizeOf(u, ranks[i + 1]!));
    checkBase(base, [out, ...windows, ins]);
    const attrs = convAttrs(window, axes);
    checkWindow(x, core, 'core', windows, attrs);
    const small = toThree(b, makeTucker(b, core, [null, ...uK, null]), 1, axes);
    const weight = { uIn, core: small, uOut, scale, base: base && toThree(b, base, 1, axes) };
    const y = convolveTucker(b, toThree(b, x, 1, axes), weight, attrs);
    return { y: fromThree(b, y, axes) };
  },
});

/** Tucker products: W = scale·core ×₁ U₁ ×₂ U₂ …, a factor that is null being the identity (Tucker 1966; Kolda and Bader 2009; Kim et al. 2016). */
export const tucker = {
  /** W itself, the products in the cheapest order of all: core [r₁, r₂, …], factors [I, r] -> `{ w, ctx }`. Throws a TenonError that names what does not fit. */
  reconstruct: reconstructKernel.call,
  /** `reconstruct`, here and now. */
  reconstructSync: reconstructKernel.callSync,
  /** y = x·(base + W)ᵀ without W while that is less work: x [P, I], base [O, I] -> `{ y, ctx }`. Throws a TenonError that names what does not fit. */
  linear: linearKernel.call,
  /** `linear`, here and now. */
  linearSync: linearKernel.callSync,
  /** A convolution by base + W without W while that is less work: x [B, …S, C], base [O, …K, C] -> `{ y, ctx }`. Throws a TenonError that names what does not fit. */
  conv: convKernel.call,
  /** `conv`, here and now. */
  convSync: convKernel.callSync,
  ...backwardOf(reconstructKernel, linearKernel, convKernel),
};

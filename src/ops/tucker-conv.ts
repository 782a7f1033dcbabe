import { f32 } from '../base/tensor-type.ts';
import type { TensorType } from '../base/tensor-type.ts';
import { Unfit } from '../base/unfit.ts';
import type { Builder } from '../ir/builder.ts';
import { defineOp } from '../ir/define-op.ts';
import type { Value } from '../ir/graph.ts';
import type { AttrKind, Attrs, Cost } from '../ir/op.ts';
import { conv, convInputGrad, convWeightGrad } from './conv.ts';
import { add, affine } from './elementwise.ts';
import { numberOf } from './lib/attrs.ts';
import { CONV_CASES } from './lib/conv-cases.ts';
import { CONV_ATTRS, geometry, macs, shared, yShape } from './lib/convolution.ts';
import type { Geometry } from './lib/convolution.ts';
import { products } from './lib/cost.ts';
import { checkSpatial } from './lib/spatial.ts';
import { dim, numelAt, shapeAt, typeAt } from './lib/types.ts';
import { modeGram, modeProduct } from './mode-product.ts';
import { fill } from './random.ts';
import { sumTo } from './reduce.ts';
import { makeTucker } from './tucker-weight.ts';

const ATTRS: Readonly<Record<string, AttrKind>> = { ...CONV_ATTRS, scale: 'f32' };
const isKept = (attrs: Attrs): boolean => numberOf(attrs, 'keep') === 1;
const CHANNELS = 4;
const INPUTS = {
  x: 'f32[batch, d, h, w, channels]',
  uIn: 'f32[channels, rankIn]',
  core: 'f32[rankOut, kd, kh, kw, rankIn]',
  uOut: 'f32[out, rankOut]',
};

type Types = readonly (TensorType | null)[];

/** The small convolution between the ranks. Throws Unfit. */
function smallGeometry(inputs: Types, attrs: Attrs): Geometry {
  const groups = numberOf(attrs, 'groups');
  if (groups !== 1) throw new Unfit('a Tucker convolution has one group', '1', String(groups));
  const [x, core] = [shapeAt(inputs, 0), shapeAt(inputs, 2)];
  return geometry([...x.slice(0, CHANNELS), dim(core, CHANNELS)], core, attrs);
}

const intoShape = (inputs: Types): number[] => [...shapeAt(inputs, 0).slice(0, CHANNELS), dim(shapeAt(inputs, 1), 1)];
const outShape = (inputs: Types, g: Geometry): number[] => [
  ...yShape(g).slice(0, CHANNELS),
  dim(shapeAt(inputs, 3), 0),
];

/** Multiply-adds of each part of the forward pass. */
function parts(
  inputs: Types,
  attrs: Attrs,
): { readonly into: number; readonly small: number; readonly out: number; readonly base: number } {
  const g = smallGeometry(inputs, attrs);
  const [ranks, out] = [g.out, dim(shapeAt(inputs, 3), 0)];
  const positions = macs(g) === 0 ? 0 : numelOf(yShape(g)) / ranks;
  return {
    into: numelAt(inputs, 0) * g.channels,
    small: macs(g),
    out: positions * ranks * out,
    base: positions * out * dim(shapeAt(inputs, 0), CHANNELS) * g.window.kernel.reduce((n, k) => n * k, 1),
  };
}
const numelOf = (shape: readonly number[]): number => shape.reduce((n, d) => n * d, 1);

function forwardCost(inputs: Types, attrs: Attrs, outputs: Types): Cost {
  const { into, small, out, base } = parts(inputs, attrs);
  return products(into + small + out + (inputs[4] ? base : 0), inputs[5] ? numelAt(outputs, 0) : 0);
}

const narrow = (b: Builder, x: Value, u: Value): Value => b.one(modeProduct, [x, u], { axis: CHANNELS, transposed: 1 });
const widen = (b: Builder, x: Value, u: Value): Value => b.one(modeProduct, [x, u], { axis: CHANNELS, transposed: 0 });
const scaled = (b: Builder, x: Value, attrs: Attrs): Value => {
  const scale = numberOf(attrs, 'scale');
  return scale === 1 ? x : b.one(affine, [x], { scale, shift: 0 });
};

const gradAttrs = (attrs: Attrs): Attrs => ({ ...shared(attrs), scale: attrs['scale']! });

const CASES = CONV_CASES.filter(({ attrs }) => attrs['groups'] === 1).map((c, i) => {
  const [rankIn, rankOut] = [1 + (i % 3) + (i % 5 === 4 ? 15 : 0), 1 + ((i + 1) % 4)];
  const [channels, out] = [dim(c.x.shape, CHANNELS), dim(c.w.shape, 0)];
  const types = [c.x, f32(channels, rankIn), f32(rankOut, ...c.kernel, rankIn), f32(out, rankOut)];
  return {
    types,
    y: c.y,
    base: i % 2 === 0 ? c.w : null,
    bias: i % 3 === 0 ? f32(out) : null,
    attrs: { ...c.attrs, scale: i % 4 === 0 ? 0.5 : 1 },
  };
});

interface Kept {
  readonly x: Value;
  readonly uIn: Value;
  readonly core: Value;
  readonly uOut: Value;
  /** x in the rank, and the small convolution of it, scaled. */
  readonly into: Value;
  readonly small: Value;
}
interface Flows {
  readonly dy: Value | null;
  readonly dInto: Value | null;
  readonly dSmall: Value | null;
}

/** The gradients in x (but for the base's part), uIn, core and uOut. */
function partGrads(b: Builder, kept: Kept, flows: Flows, attrs: Attrs): readonly (Value | null)[] {
  const { x, uIn, core, uOut, into, small } = kept;
  const [kernel, size] = [core.type.shape.slice(1, CHANNELS), x.type.shape.slice(1, CHANNELS)];
  const both = (one: Value | null, other: Value | null): Value | null =>
    one && other ? b.one(add, [one, other]) : (one ?? other);
  const dSmall = both(flows.dy && narrow(b, flows.dy, uOut), flows.dSmall);
  const dConv = dSmall && scaled(b, dSmall, attrs);
  const dInto = both(dConv && b.one(convInputGrad, [dConv, core], { ...shared(attrs), size }), flows.dInto);
  return [
    dInto && widen(b, dInto, uIn),
    dInto && b.one(modeGram, [x, dInto], { axis: CHANNELS }),
    dConv && b.one(convWeightGrad, [into, dConv], { ...shared(attrs), kernel }),
    flows.dy && b.one(modeGram, [flows.dy, small], { axis: CHANNELS }),
  ];
}

const withBase = (b: Builder, dx: Value | null, dy: Value, base: Value, x: Value, attrs: Attrs): Value => {
  const own = b.one(convInputGrad, [dy, base], { ...shared(attrs), size: x.type.shape.slice(1, CHANNELS) });
  return dx ? b.one(add, [own, dx]) : own;
};

/** y = conv(x, base) + bias + scale · conv(x, core ×_out uOut ×_in uIn), the product as three small convolutions (Kim et al. 2016; FLoRA 2024). */
export const tuckerConv = defineOp({
  name: 'tucker_conv',
  doc: 'conv(x, base + scale · (core ×_out uOut ×_in uIn)) + bias without making that weight: 1x1 into the rank, the core, 1x1 out of it. With keep = 1, into and small hold what lies between: all that the gradient needs besides the inputs.',
  inputs: { ...INPUTS, 'base?': 'f32[out, kd, kh, kw, channels]', 'bias?': 'f32[out]' },
  outputs: {
    y: 'f32[batch, yd, yh, yw, out]',
    into: 'f32[kept, d, h, w, rankIn]',
    small: 'f32[kept, yd, yh, yw, rankOut]',
  },
  attrs: { ...ATTRS, keep: 'u32' },
  infer: (inputs, attrs) => {
    const g = smallGeometry(inputs, attrs);
    const kept = ([images, ...image]: readonly number[]): TensorType => f32(isKept(attrs) ? images! : 0, ...image);
    return [f32(...outShape(inputs, g)), kept(intoShape(inputs)), kept(yShape(g))];
  },
  check: (_inputs, attrs) =>
    numberOf(attrs, 'keep') > 1 ? `keep must be 0 or 1, not ${numberOf(attrs, 'keep')}` : null,
  grad: (g) => {
    const kept = isKept(g.attrs);
    const dy = g.dOutput(0);
    const flows = { dy, dInto: kept ? g.dOutput(1) : null, dSmall: kept ? g.dOutput(2) : null };
    const [x, uIn, core, uOut] = [g.input(0), g.input(1), g.input(2), g.input(3)];
    const again = (): readonly Value[] =>
      g.builder.apply(tuckerConv, [x, uIn, core, uOut, null, null], { ...g.attrs, keep: 1 });
    const [, into, small] = (kept ? [null, g.output(1), g.output(2)] : again()) as [null, Value, Value];
    // Where x's gradient is not wanted, neither is the base's part of it.
    const base = g.hasInput(4) && g.wants(0) ? g.input(4) : null;
    const fused = dy && !flows.dInto && !flows.dSmall;
    const [dx, ...rest] = fused
      ? g.builder.apply(tuckerConvGrad, [x, uIn, core, uOut, dy, into, small, base], gradAttrs(g.attrs))
      : partGrads(g.builder, { x, uIn, core, uOut, into, small }, flows, g.attrs);
    const whole = !fused && dy && base ? withBase(g.builder, dx ?? null, dy, base, x, g.attrs) : (dx ?? null);
    const kernel = core.type.shape.slice(1, CHANNELS);
    return [
      ...[whole, ...rest].map((value, i) => (g.wants(i) ? value : null)),
      dy && g.wants(4) ? g.builder.one(convWeightGrad, [x, dy], { ...shared(g.attrs), kernel }) : null,
      dy && g.wants(5) ? sumTo(g.builder, dy, g.inputType(5).shape) : null,
    ].slice(0, g.inputCount);
  },
  decompose: (b, [x, uIn, core, uOut, base, bias], attrs) => {
    const into = narrow(b, x!, uIn!);
    const small = scaled(b, b.one(conv, [into, core!], shared(attrs)), attrs);
    const product = widen(b, small, uOut!);
    const whole = base ? b.one(add, [b.one(conv, [x!, base], shared(attrs)), product]) : product;
    const none = ({ type }: Value): Value => b.one(fill, [], { dims: [0, ...type.shape.slice(1)], value: 0 });
    return [bias ? b.one(add, [whole, bias]) : whole, ...(isKept(attrs) ? [into, small] : [none(into), none(small)])];
  },
  cost: (inputs, outputs, attrs) => forwardCost(inputs, attrs, outputs),
  samples: CASES.map(({ types, base, bias, attrs }, i) => ({
    inputs: [...types, base, bias],
    attrs: { ...attrs, keep: i % 5 === 3 ? 0 : 1 },
  })),
});

export const tuckerConvGrad = defineOp({
  name: 'tucker_conv_grad',
  doc: 'The gradients of tucker_conv in x, uIn, core and uOut, given that of y, from the into and small that it kept.',
  inputs: {
    ...INPUTS,
    dy: 'f32[batch, yd, yh, yw, out]',
    into: 'f32[batch, d, h, w, rankIn]',
    small: 'f32[batch, yd, yh, yw, rankOut]',
    'base?': 'f32[out, kd, kh, kw, channels]',
  },
  outputs: {
    dx: 'f32[batch, d, h, w, channels]',
    duIn: 'f32[channels, rankIn]',
    dcore: 'f32[rankOut, kd, kh, kw, rankIn]',
    duOut: 'f32[out, rankOut]',
  },
  attrs: ATTRS,
  infer: (inputs, attrs) => {
    checkSpatial('dy', shapeAt(inputs, 4), smallGeometry(inputs, attrs).outputs);
    return [0, 1, 2, 3].map((i) => typeAt(inputs, i));
  },
  decompose: (b, [x, uIn, core, uOut, dy, into, small, base], attrs) => {
    const kept = { x: x!, uIn: uIn!, core: core!, uOut: uOut!, into: into!, small: small! };
    const [dx, ...rest] = partGrads(b, kept, { dy: dy!, dInto: null, dSmall: null }, attrs) as readonly Value[];
    return [base ? withBase(b, dx!, dy!, base, x!, attrs) : dx!, ...rest];
  },
  cost: (inputs, _outputs, attrs) => {
    const { into, small, out, base } = parts(inputs, attrs);
    return products(2 * into + 2 * small + 2 * out + (inputs[7] ? base : 0));
  },
  samples: CASES.map(({ types, y, base, attrs }) => {
    const [into, small] = [f32(...intoShape(types)), f32(...y.shape.slice(0, CHANNELS), dim(types[2]!.shape, 0))];
    return { inputs: [...types, y, into, small, base], attrs };
  }),
});

export interface TuckerWeight {
  /** [C, rank], [rankOut, kd, kh, kw, rankIn], [O, rank]; a factor that is absent is the identity. */
  readonly uIn: Value | null;
  readonly core: Value;
  readonly uOut: Value | null;
  readonly scale: number;
  /** [O, kd, kh, kw, C]: a weight that the product is added to. */
  readonly base: Value | null;
}

/** conv of x [B, d, h, w, C]: by three small convolutions while that is less work at each position than the made weight's, else by that weight. */
export function convolveTucker(b: Builder, x: Value, weight: TuckerWeight, attrs: Attrs): Value {
  const { uIn, core, uOut, scale, base } = weight;
  if (uIn && uOut && factoredMacs(uIn, core, uOut) < madeMacs(uIn, core, uOut)) {
    const keep = b.mode === 'train' ? 1 : 0;
    return b.one(tuckerConv, [x, uIn, core, uOut, base, null], { ...attrs, scale, keep });
  }
  const made = makeTucker(b, core, [uOut, null, null, null, uIn], scale);
  return b.one(conv, [x, base ? b.one(add, [base, made]) : made], attrs);
}

const tapsOf = (core: Value): number => numelOf(core.type.shape.slice(1, CHANNELS));

/** Multiply-adds at each position of the product, in three. For a matrix and equal ranks they are fewer than its own while r < I·O / (I + O), up to the core's r². */
export function factoredMacs(uIn: Value, core: Value, uOut: Value): number {
  return numelOf(uIn.type.shape) + numelOf(core.type.shape) + numelOf(uOut.type.shape);
}

/** The same by the weight made. */
export const madeMacs = (uIn: Value, core: Value, uOut: Value): number =>
  uIn.type.shape[0]! * tapsOf(core) * uOut.type.shape[0]!;

import { f32 } from '../base/tensor-type.ts';
import type { Builder } from '../ir/builder.ts';
import { defineOp } from '../ir/define-op.ts';
import type { Value } from '../ir/graph.ts';
import type { GradContext, OpDef, Sample } from '../ir/op.ts';
import { numberOf } from './lib/attrs.ts';
import { broadcastShapes } from './lib/broadcast.ts';
import { perOutput } from './lib/cost.ts';
import { binarySamples, zip } from './lib/elementwise.ts';
import { mapArray } from './lib/nd.ts';
import { elementwiseSamples } from './lib/samples.ts';
import { erf as erfOf, normalCdf, normalPdf, sigmoid as sigmoidOf } from './lib/special.ts';
import { arrayAt, shapeAt } from './lib/types.ts';
import { sumTo } from './reduce.ts';

/** FLOPs an element of functions of the exponential kind; all others count 1. */
const EXP = 8;

type Fill = NonNullable<NonNullable<Sample['fill']>[number]>;

// Ops of one input, element by element. `slope` is the gradient of the input given that of the output.

interface Unary {
  readonly doc: string;
  readonly of: (x: number) => number;
  readonly slope: (g: GradContext, dy: Value) => Value | null;
  readonly flops?: number;
  readonly fill?: Fill;
  readonly more?: readonly Sample[];
}

const unary = (name: string, { doc, of, slope, flops = 1, fill = 'normal', more = [] }: Unary): OpDef =>
  defineOp({
    name,
    doc,
    inputs: { x: 'f32[...s]' },
    outputs: { y: 'f32[...s]' },
    attrs: {},
    grad: (g) => {
      const dy = g.dOutput(0);
      return [dy && slope(g, dy)];
    },
    cost: perOutput(flops),
    reference: (inputs) => [mapArray(arrayAt(inputs, 0), of)],
    samples: [...elementwiseSamples(1, fill), ...more],
    inPlace: [0],
    rowLocal: 'leading',
  });

const whole: Sample = { inputs: [f32(65)], fill: ['below:3'], note: 'ties' };

export const exp = unary('exp', {
  doc: 'e to the power of x.',
  of: Math.exp,
  slope: (g, dy) => g.builder.one(mul, [dy, g.output(0)]),
  flops: EXP,
});
export const log = unary('log', {
  doc: 'Natural logarithm; -infinity at 0, NaN below.',
  of: Math.log,
  slope: (g, dy) => g.builder.one(div, [dy, g.input(0)]),
  flops: EXP,
  fill: 'positive',
});
export const sqrt = unary('sqrt', {
  doc: 'Square root; NaN below 0.',
  of: Math.sqrt,
  slope: (g, dy) => scaled(g.builder, g.builder.one(div, [dy, g.output(0)]), 0.5),
  fill: 'positive',
});
export const rsqrt = unary('rsqrt', {
  doc: 'One over the square root.',
  of: (x) => 1 / Math.sqrt(x),
  slope: (g, dy) => {
    const b = g.builder;
    const y = g.output(0);
    return b.one(mul, [scaled(b, dy, -0.5), b.one(mul, [y, b.one(square, [y])])]);
  },
  fill: 'positive',
});
export const neg = unary('neg', {
  doc: '-x.',
  of: (x) => -x,
  slope: (g, dy) => g.builder.one(neg, [dy]),
});
export const square = unary('square', {
  doc: 'x times x.',
  of: (x) => x * x,
  slope: (g, dy) => scaled(g.builder, g.builder.one(mul, [dy, g.input(0)]), 2),
});
export const reciprocal = unary('reciprocal', {
  doc: 'One over x.',
  of: (x) => 1 / x,
  slope: (g, dy) => g.builder.one(neg, [g.builder.one(mul, [dy, g.builder.one(square, [g.output(0)])])]),
  fill: 'positive',
});
export const erf = unary('erf', {
  doc: 'The error function, 2/√π ∫₀ˣ e^(−t²) dt.',
  of: erfOf,
  slope: (g, dy) => {
    const b = g.builder;
    const bell = b.one(exp, [b.one(neg, [b.one(square, [g.input(0)])])]);
    return scaled(b, b.one(mul, [dy, bell]), 2 / Math.sqrt(Math.PI));
  },
  flops: EXP,
});
export const sin = unary('sin', {
  doc: 'Sine of x, in radians.',
  of: Math.sin,
  slope: (g, dy) => g.builder.one(mul, [dy, g.builder.one(cos, [g.input(0)])]),
  flops: EXP,
});
export const cos = unary('cos', {
  doc: 'Cosine of x, in radians.',
  of: Math.cos,
  slope: (g, dy) => g.builder.one(neg, [g.builder.one(mul, [dy, g.builder.one(sin, [g.input(0)])])]),
  flops: EXP,
});
export const step = unary('step', {
  doc: '1 where x > 0, else 0. Its gradient is 0.',
  of: (x) => (x > 0 ? 1 : 0),
  slope: () => null,
  more: [whole],
});
export const sign = unary('sign', {
  doc: '1, 0 or -1 as x is above, at or below 0. Its gradient is 0.',
  of: Math.sign,
  slope: () => null,
  more: [whole],
});
export const abs = unary('abs', {
  doc: 'The magnitude of x; gradient 0 at 0.',
  of: Math.abs,
  slope: (g, dy) => g.builder.one(mul, [dy, g.builder.one(sign, [g.input(0)])]),
});

// Activations: each has a fused gradient, from the output where that is enough, since the input then need not be kept.

const fromOutput =
  (grad: () => OpDef) =>
  (g: GradContext, dy: Value): Value =>
    g.builder.one(grad(), [g.output(0), dy]);
const fromInput =
  (grad: () => OpDef) =>
  (g: GradContext, dy: Value): Value =>
    g.builder.one(grad(), [g.input(0), dy]);

const GELU_CUBIC = 0.044715;
const GELU_SCALE = Math.sqrt(2 / Math.PI);
const geluInner = (x: number): number => GELU_SCALE * (x + GELU_CUBIC * x * x * x);
const geluInnerSlope = (x: number): number => GELU_SCALE * (1 + 3 * GELU_CUBIC * x * x);
function geluTanhSlope(x: number): number {
  if (!isNear(x)) return normalCdf(x);
  const t = Math.tanh(geluInner(x));
  return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * geluInnerSlope(x);
}
// Slopes are flat far out, where their formulas would meet infinity times 0.
const isNear = (x: number): boolean => !(Math.abs(x) > 1000);
const geluSlope = (x: number): number => normalCdf(x) + (isNear(x) ? x * normalPdf(x) : 0);
function siluSlope(x: number): number {
  const s = sigmoidOf(x);
  if (!isNear(x)) return s;
  return s * (1 + x * (1 - s));
}

export const relu = unary('relu', {
  doc: 'x where x > 0, else 0; gradient 0 at 0.',
  of: (x) => (x < 0 ? 0 : x),
  slope: fromOutput(() => reluGrad),
});
export const tanh = unary('tanh', {
  doc: 'Hyperbolic tangent.',
  of: Math.tanh,
  slope: fromOutput(() => tanhGrad),
  flops: EXP,
});
export const sigmoid = unary('sigmoid', {
  doc: '1 / (1 + e^(−x)).',
  of: sigmoidOf,
  slope: fromOutput(() => sigmoidGrad),
  flops: EXP,
});
export const gelu = unary('gelu', {
  doc: 'x·Φ(x), Φ the distribution of the standard normal: the exact form, by erf (Hendrycks and Gimpel 2016).',
  of: (x) => (x === -Infinity ? 0 : x * normalCdf(x)),
  slope: fromInput(() => geluGrad),
  flops: EXP,
});
export const geluTanh = unary('gelu_tanh', {
  doc: 'The tanh approximation of gelu: x/2·(1 + tanh(√(2/π)·(x + 0.044715·x³))).',
  of: (x) => 0.5 * x * (1 + Math.tanh(geluInner(x))),
  slope: fromInput(() => geluTanhGrad),
  flops: EXP,
});
export const silu = unary('silu', {
  doc: 'x·sigmoid(x) (Elfwing et al. 2017), also called swish.',
  of: (x) => x * sigmoidOf(x),
  slope: fromInput(() => siluGrad),
  flops: EXP,
});

// Gradients of activations: dx from the output y, or from the input x, and dy. `slope` is that of the activation at that value.

interface Slope {
  readonly activation: string;
  readonly from: 'x' | 'y';
  readonly of: (at: number) => number;
  readonly inOps: (b: Builder, at: Value) => Value;
  readonly flops: number;
}

const activationGrad = ({ activation, from, of, inOps, flops }: Slope): OpDef =>
  defineOp({
    name: `${activation}_grad`,
    doc: `Gradient of ${activation}: dy times its slope, from its ${from === 'x' ? 'input' : 'output'} ${from}.`,
    inputs: { [from]: 'f32[...s]', dy: 'f32[...s]' },
    outputs: { dx: 'f32[...s]' },
    attrs: {},
    decompose: (b, [at, dy]) => [b.one(mul, [dy!, inOps(b, at!)])],
    cost: perOutput(flops),
    reference: (inputs) => [zip(arrayAt(inputs, 0), arrayAt(inputs, 1), (at, dy) => dy * of(at))],
    samples: elementwiseSamples(2, 'normal'),
    inPlace: [1],
    rowLocal: 'leading',
  });

/** x·scale + shift */
const affineOf = (b: Builder, x: Value, scale: number, shift: number): Value => b.one(affine, [x], { scale, shift });
const scaled = (b: Builder, x: Value, scale: number): Value => affineOf(b, x, scale, 0);

export const reluGrad = activationGrad({
  activation: 'relu',
  from: 'y',
  of: (y) => (y > 0 ? 1 : 0),
  inOps: (b, y) => b.one(step, [y]),
  flops: 1,
});
export const tanhGrad = activationGrad({
  activation: 'tanh',
  from: 'y',
  of: (y) => 1 - y * y,
  inOps: (b, y) => affineOf(b, b.one(square, [y]), -1, 1),
  flops: 3,
});
export const sigmoidGrad = activationGrad({
  activation: 'sigmoid',
  from: 'y',
  of: (y) => y * (1 - y),
  inOps: (b, y) => b.one(mul, [y, affineOf(b, y, -1, 1)]),
  flops: 3,
});
export const geluGrad = activationGrad({
  activation: 'gelu',
  from: 'x',
  of: geluSlope,
  inOps: (b, x) => {
    const cdf = affineOf(b, b.one(erf, [scaled(b, x, Math.SQRT1_2)]), 0.5, 0.5);
    const pdf = scaled(b, b.one(exp, [scaled(b, b.one(square, [x]), -0.5)]), 1 / Math.sqrt(2 * Math.PI));
    return b.one(add, [cdf, b.one(mul, [x, pdf])]);
  },
  flops: EXP,
});
export const geluTanhGrad = activationGrad({
  activation: 'gelu_tanh',
  from: 'x',
  of: geluTanhSlope,
  inOps: (b, x) => {
    const squared = b.one(square, [x]);
    const inner = b.one(mul, [x, affineOf(b, squared, GELU_SCALE * GELU_CUBIC, GELU_SCALE)]);
    const innerSlope = affineOf(b, squared, 3 * GELU_SCALE * GELU_CUBIC, GELU_SCALE);
    const t = b.one(tanh, [inner]);
    const tSlope = b.one(mul, [affineOf(b, b.one(square, [t]), -0.5, 0.5), innerSlope]);
    return b.one(add, [affineOf(b, t, 0.5, 0.5), b.one(mul, [x, tSlope])]);
  },
  flops: EXP,
});
export const siluGrad = activationGrad({
  activation: 'silu',
  from: 'x',
  of: siluSlope,
  inOps: (b, x) => {
    const s = b.one(sigmoid, [x]);
    return b.one(mul, [s, affineOf(b, b.one(mul, [x, affineOf(b, s, -1, 1)]), 1, 1)]);
  },
  flops: EXP,
});

// Ops of two inputs, broadcast by numpy's rule. `slopes` are the gradients of both inputs, before sums over what was repeated.

interface Binary {
  readonly doc: string;
  readonly of: (a: number, b: number) => number;
  readonly slopes: (g: GradContext, dy: Value) => readonly [() => Value, () => Value] | null;
  readonly fill?: readonly [Fill, Fill];
  readonly more?: readonly Sample[];
}

const binary = (name: string, { doc, of, slopes, fill = ['normal', 'normal'], more = [] }: Binary): OpDef =>
  defineOp({
    name,
    doc: `${doc} Shapes broadcast by the rule of numpy.`,
    inputs: { a: 'f32[...s]', b: 'f32[...t]' },
    outputs: { y: 'f32[...u]' },
    attrs: {},
    infer: (inputs) => [f32(...broadcastShapes(shapeAt(inputs, 0), shapeAt(inputs, 1)))],
    grad: (g) => {
      const dy = g.dOutput(0);
      const parts = dy && slopes(g, dy);
      return [0, 1].map((i) => (parts && g.wants(i) ? sumTo(g.builder, parts[i]!(), g.inputType(i).shape) : null));
    },
    cost: perOutput(1),
    reference: (inputs) => [zip(arrayAt(inputs, 0), arrayAt(inputs, 1), of)],
    samples: [...binarySamples(fill), ...more],
    inPlace: [0],
    rowLocal: 'broadcast',
  });

const ties: readonly Sample[] = [
  { inputs: [f32(65), f32(65)], fill: ['below:3', 'below:3'], note: 'ties' },
  { inputs: [f32(5, 33), f32(33)], fill: ['below:3', 'below:3'], note: 'ties' },
];

export const add = binary('add', {
  doc: 'a + b.',
  of: (a, b) => a + b,
  slopes: (_g, dy) => [() => dy, () => dy],
});
export const sub = binary('sub', {
  doc: 'a - b.',
  of: (a, b) => a - b,
  slopes: (g, dy) => [() => dy, () => g.builder.one(neg, [dy])],
});
export const mul = binary('mul', {
  doc: 'a · b.',
  of: (a, b) => a * b,
  slopes: (g, dy) => [() => g.builder.one(mul, [dy, g.input(1)]), () => g.builder.one(mul, [dy, g.input(0)])],
});
export const div = binary('div', {
  doc: 'a / b.',
  of: (a, b) => a / b,
  slopes: (g, dy) => {
    const b = g.builder;
    const da = (): Value => b.one(div, [dy, g.input(1)]);
    return [da, () => b.one(neg, [b.one(mul, [da(), b.one(div, [g.input(0), g.input(1)])])])];
  },
  fill: ['normal', 'positive'],
});

/** 1 where a is above b, half where they are equal: ties share the gradient evenly. */
function isAbove(g: GradContext, a: Value, b: Value): Value {
  const equals = scaled(g.builder, g.builder.one(equal, [a, b]), 0.5);
  return g.builder.one(add, [g.builder.one(step, [g.builder.one(sub, [a, b])]), equals]);
}
export const maximum = binary('maximum', {
  doc: 'The larger of a and b; ties share the gradient evenly.',
  of: Math.max,
  slopes: (g, dy) => [
    () => g.builder.one(mul, [dy, isAbove(g, g.input(0), g.input(1))]),
    () => g.builder.one(mul, [dy, isAbove(g, g.input(1), g.input(0))]),
  ],
  more: ties,
});
export const minimum = binary('minimum', {
  doc: 'The smaller of a and b; ties share the gradient evenly.',
  of: Math.min,
  slopes: (g, dy) => [
    () => g.builder.one(mul, [dy, isAbove(g, g.input(1), g.input(0))]),
    () => g.builder.one(mul, [dy, isAbove(g, g.input(0), g.input(1))]),
  ],
  more: ties,
});
export const equal = binary('equal', {
  doc: '1 where a equals b, else 0. Its gradient is 0.',
  of: (a, b) => (a === b ? 1 : 0),
  slopes: () => null,
  more: ties,
});

export const affine = defineOp({
  name: 'affine',
  doc: 'x·scale + shift.',
  inputs: { x: 'f32[...s]' },
  outputs: { y: 'f32[...s]' },
  attrs: { scale: 'f32', shift: 'f32' },
  grad: (g) => {
    const dy = g.dOutput(0);
    return [dy && scaled(g.builder, dy, numberOf(g.attrs, 'scale'))];
  },
  cost: perOutput(1),
  reference: (inputs, attrs) => {
    const scale = numberOf(attrs, 'scale');
    const shift = numberOf(attrs, 'shift');
    return [mapArray(arrayAt(inputs, 0), (x) => x * scale + shift)];
  },
  samples: [
    ...elementwiseSamples(1, 'normal').map((s) => ({ ...s, attrs: { scale: 2.5, shift: -0.375 } })),
    { inputs: [f32(33)], attrs: { scale: 0, shift: 0.5 } },
    { inputs: [f32(33)], attrs: { scale: 1, shift: 0 }, note: 'a copy' },
  ],
  inPlace: [0],
  rowLocal: 'leading',
});

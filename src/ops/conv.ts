import { f32, numel } from '../base/tensor-type.ts';
import type { Shape, TensorType } from '../base/tensor-type.ts';
import { Unfit } from '../base/unfit.ts';
import { defineOp } from '../ir/define-op.ts';
import type { AttrKind, AttrValue, Attrs, NdArray, Sample } from '../ir/op.ts';
import { ACTIVATIONS, activate, activationAttr, activationFlops } from './activation.ts';
import { add } from './elementwise.ts';
import { listOf, nameOf, numberOf } from './lib/attrs.ts';
import { products } from './lib/cost.ts';
import { ndArray } from './lib/nd.ts';
import { checkSpatial, convWindow, forEachTap, outputSize, perAxis } from './lib/spatial.ts';
import type { Window } from './lib/spatial.ts';
import { arrayAt, dim, numelAt, shapeAt } from './lib/types.ts';

const CONV_ATTRS: Readonly<Record<string, AttrKind>> = {
  stride: perAxis,
  padBefore: perAxis,
  padAfter: perAxis,
  dilation: perAxis,
  groups: 'u32',
};

/** The attributes that a convolution and its adjoints share. */
const shared = (attrs: Attrs): Record<string, AttrValue> =>
  Object.fromEntries(Object.keys(CONV_ATTRS).map((name) => [name, attrs[name]!]));

/** Everything that the shapes of a convolution say: x [batch, …size, channels], w [out, …kernel, channels/groups]. */
interface Geometry {
  readonly batch: number;
  readonly channels: number;
  readonly out: number;
  readonly groups: number;
  readonly size: readonly number[];
  readonly outputs: readonly number[];
  readonly window: Window;
}

function geometry(x: Shape, w: Shape, attrs: Attrs): Geometry {
  const groups = numberOf(attrs, 'groups');
  const [channels, out] = [dim(x, 4), dim(w, 0)];
  if (groups < 1 || channels % groups !== 0 || out % groups !== 0) {
    const found = `${channels} channels to ${out} in ${groups} groups`;
    throw new Unfit(`groups must divide the channels of input and output`, 'at least 1, and a divisor of both', found);
  }
  if (dim(w, 4) !== channels / groups) {
    throw new Unfit(`the weight has the wrong width`, `${channels / groups} (channels / groups)`, String(dim(w, 4)));
  }
  const window = convWindow(attrs, w.slice(1, 4));
  const size = x.slice(1, 4);
  return { batch: dim(x, 0), channels, out, groups, size, outputs: outputSize(size, window), window };
}

const xShape = (g: Geometry): number[] => [g.batch, ...g.size, g.channels];
const yShape = (g: Geometry): number[] => [g.batch, ...g.outputs, g.out];
const wShape = (g: Geometry): number[] => [g.out, ...g.window.kernel, g.channels / g.groups];

// The adjoints know the shape of what they make from an attribute: `size` of x, `kernel` of w.
function inputGradGeometry(dy: Shape, w: Shape, attrs: Attrs): Geometry {
  const channels = dim(w, 4) * numberOf(attrs, 'groups');
  const g = geometry([dim(dy, 0), ...listOf(attrs, 'size'), channels], w, attrs);
  checkSpatial('dy', dy, g.outputs);
  return g;
}
function weightGradGeometry(x: Shape, dy: Shape, attrs: Attrs): Geometry {
  const inner = Math.floor(dim(x, 4) / Math.max(1, numberOf(attrs, 'groups')));
  const g = geometry(x, [dim(dy, 4), ...listOf(attrs, 'kernel'), inner], attrs);
  checkSpatial('dy', dy, g.outputs);
  return g;
}

const macs = (g: Geometry): number => numel(yShape(g)) * numel(g.window.kernel) * (g.channels / g.groups);

/** Every product x·w that is a part of some y: flat positions of the three. One loop serves the op and both adjoints. */
function forEachProduct(g: Geometry, visit: (y: number, x: number, w: number) => void): void {
  const [inner, per] = [g.channels / g.groups, g.out / g.groups];
  const [inputs, outputs, places] = [numel(g.size), numel(g.outputs), numel(g.window.kernel)];
  forEachTap(g.window, g.size, g.outputs, (output, place, input) => {
    for (let b = 0; b < g.batch; b++) {
      const [y0, x0] = [(b * outputs + output) * g.out, (b * inputs + input) * g.channels];
      for (let o = 0; o < g.out; o++) {
        const [x1, w1] = [x0 + Math.floor(o / per) * inner, (o * places + place) * inner];
        for (let c = 0; c < inner; c++) visit(y0 + o, x1 + c, w1 + c);
      }
    }
  });
}

function convolve(x: NdArray, w: NdArray, attrs: Attrs): NdArray {
  const g = geometry(x.shape, w.shape, attrs);
  const y = ndArray(yShape(g));
  forEachProduct(g, (i, j, k) => (y.data[i]! += x.data[j]! * w.data[k]!));
  return y;
}

const cubed = (values: readonly number[], fill: number): number[] => [
  ...new Array<number>(3 - values.length).fill(fill),
  ...values,
];

interface Case {
  readonly batch?: number;
  readonly size: readonly number[];
  readonly channels: number;
  readonly out: number;
  readonly kernel: readonly number[];
  readonly stride?: readonly number[];
  readonly pad?: readonly (readonly [number, number])[];
  readonly dilation?: readonly number[];
  readonly groups?: number;
}
// Lists shorter than three are of the last axes.
const CASES: readonly Case[] = [
  { size: [5], channels: 3, out: 4, kernel: [3] },
  { size: [17], channels: 1, out: 1, kernel: [1] },
  {
    size: [5, 6],
    channels: 2,
    out: 3,
    kernel: [3, 3],
    pad: [
      [1, 1],
      [1, 1],
    ],
  },
  {
    size: [7, 5],
    channels: 3,
    out: 5,
    kernel: [3, 2],
    stride: [2, 1],
    pad: [
      [0, 1],
      [1, 0],
    ],
  },
  {
    size: [6, 7],
    channels: 4,
    out: 2,
    kernel: [2, 3],
    dilation: [2, 2],
    pad: [
      [2, 1],
      [0, 3],
    ],
  },
  {
    size: [8, 8],
    channels: 4,
    out: 6,
    kernel: [3, 3],
    groups: 2,
    pad: [
      [1, 1],
      [1, 1],
    ],
  },
  {
    size: [5, 5],
    channels: 17,
    out: 17,
    kernel: [3, 3],
    groups: 17,
    pad: [
      [1, 1],
      [1, 1],
    ],
  },
  { size: [5, 5], channels: 3, out: 6, kernel: [3, 3], groups: 3, stride: [2, 2], dilation: [2, 1] },
  {
    size: [4, 5, 6],
    channels: 2,
    out: 3,
    kernel: [2, 3, 2],
    stride: [1, 2, 3],
    pad: [
      [1, 0],
      [1, 1],
      [0, 1],
    ],
  },
  { size: [3, 3], channels: 15, out: 33, kernel: [1, 1] },
  { size: [5, 3], channels: 31, out: 16, kernel: [1, 1], stride: [2, 2] },
  {
    size: [3, 4],
    channels: 65,
    out: 17,
    kernel: [3, 3],
    pad: [
      [1, 1],
      [1, 1],
    ],
  },
  {
    size: [1, 1],
    channels: 2,
    out: 2,
    kernel: [3, 3],
    pad: [
      [1, 1],
      [1, 1],
    ],
  },
  {
    size: [4, 4],
    channels: 2,
    out: 2,
    kernel: [2, 2],
    pad: [
      [5, 4],
      [4, 5],
    ],
  },
  { batch: 0, size: [4, 4], channels: 2, out: 3, kernel: [2, 2] },
  {
    batch: 1,
    size: [28, 28],
    channels: 1,
    out: 6,
    kernel: [5, 5],
    pad: [
      [2, 2],
      [2, 2],
    ],
  },
  { batch: 3, size: [14, 14], channels: 6, out: 16, kernel: [5, 5] },
  {
    batch: 2,
    size: [33, 31],
    channels: 3,
    out: 32,
    kernel: [3, 3],
    stride: [2, 2],
    pad: [
      [1, 0],
      [1, 0],
    ],
  },
  {
    batch: 2,
    size: [16, 16],
    channels: 64,
    out: 63,
    kernel: [3, 3],
    pad: [
      [1, 1],
      [1, 1],
    ],
  },
  {
    batch: 4,
    size: [20, 20],
    channels: 65,
    out: 65,
    kernel: [3, 3],
    groups: 65,
    pad: [
      [1, 1],
      [1, 1],
    ],
  },
  { batch: 30, size: [31], channels: 33, out: 48, kernel: [4], pad: [[3, 0]] },
];

interface Shapes {
  readonly x: TensorType;
  readonly w: TensorType;
  readonly y: TensorType;
  readonly attrs: Attrs;
  readonly size: readonly number[];
  readonly kernel: readonly number[];
}
const SHAPES: readonly Shapes[] = CASES.map((c) => {
  const pads = c.pad ?? [];
  const groups = c.groups ?? 1;
  const attrs: Attrs = {
    stride: cubed(c.stride ?? c.size.map(() => 1), 1),
    padBefore: cubed(
      pads.map((p) => p[0]),
      0,
    ),
    padAfter: cubed(
      pads.map((p) => p[1]),
      0,
    ),
    dilation: cubed(c.dilation ?? [], 1),
    groups,
  };
  const [size, kernel] = [cubed(c.size, 1), cubed(c.kernel, 1)];
  const x = f32(c.batch ?? 2, ...size, c.channels);
  const w = f32(c.out, ...kernel, c.channels / groups);
  return { x, w, y: f32(...yShape(geometry(x.shape, w.shape, attrs))), attrs, size, kernel };
});

/** y[b, p, o] = Σ x[b, p·stride + k·dilation − padBefore, c] · w[o, k, c]: correlation, as everywhere in this field. */
export const conv = defineOp({
  name: 'conv',
  doc: "Convolution over three spatial axes, channels last; 1-D and 2-D have leading axes of size 1. d' = floor((d + before + after − dilation·(k−1) − 1) / stride) + 1.",
  inputs: { x: 'f32[batch, d, h, w, channels]', weight: 'f32[out, kd, kh, kw, inner]' },
  outputs: { y: 'f32[batch, yd, yh, yw, out]' },
  attrs: CONV_ATTRS,
  infer: (inputs, attrs) => [f32(...yShape(geometry(shapeAt(inputs, 0), shapeAt(inputs, 1), attrs)))],
  grad: (g) => {
    const dy = g.dOutput(0);
    if (!dy) return [null, null];
    const [size, kernel] = [g.inputType(0).shape.slice(1, 4), g.inputType(1).shape.slice(1, 4)];
    return [
      g.wants(0) ? g.builder.one(convInputGrad, [dy, g.input(1)], { ...shared(g.attrs), size }) : null,
      g.wants(1) ? g.builder.one(convWeightGrad, [g.input(0), dy], { ...shared(g.attrs), kernel }) : null,
    ];
  },
  cost: (inputs, _outputs, attrs) => products(macs(geometry(shapeAt(inputs, 0), shapeAt(inputs, 1), attrs))),
  reference: (inputs, attrs) => [convolve(arrayAt(inputs, 0), arrayAt(inputs, 1), attrs)],
  samples: SHAPES.map(({ x, w, attrs }) => ({ inputs: [x, w], attrs })),
});

export const convInputGrad = defineOp({
  name: 'conv_input_grad',
  doc: 'The adjoint of conv in x: <conv(x, w), dy> = <x, conv_input_grad(dy, w)>. size is that of x, which strides leave open.',
  inputs: { dy: 'f32[batch, yd, yh, yw, out]', weight: 'f32[out, kd, kh, kw, inner]' },
  outputs: { dx: 'f32[batch, d, h, w, channels]' },
  attrs: { ...CONV_ATTRS, size: perAxis },
  infer: (inputs, attrs) => [f32(...xShape(inputGradGeometry(shapeAt(inputs, 0), shapeAt(inputs, 1), attrs)))],
  grad: (g) => {
    const ddx = g.dOutput(0);
    if (!ddx) return [null, null];
    const kernel = g.inputType(1).shape.slice(1, 4);
    return [
      g.wants(0) ? g.builder.one(conv, [ddx, g.input(1)], shared(g.attrs)) : null,
      g.wants(1) ? g.builder.one(convWeightGrad, [ddx, g.input(0)], { ...shared(g.attrs), kernel }) : null,
    ];
  },
  cost: (inputs, _outputs, attrs) => products(macs(inputGradGeometry(shapeAt(inputs, 0), shapeAt(inputs, 1), attrs))),
  reference: (inputs, attrs) => {
    const [dy, w] = [arrayAt(inputs, 0), arrayAt(inputs, 1)];
    const g = inputGradGeometry(dy.shape, w.shape, attrs);
    const dx = ndArray(xShape(g));
    forEachProduct(g, (i, j, k) => (dx.data[j]! += dy.data[i]! * w.data[k]!));
    return [dx];
  },
  samples: SHAPES.map(({ y, w, attrs, size }) => ({ inputs: [y, w], attrs: { ...attrs, size } })),
});

export const convWeightGrad = defineOp({
  name: 'conv_weight_grad',
  doc: 'The adjoint of conv in its weight: <conv(x, w), dy> = <w, conv_weight_grad(x, dy)>. kernel is the size of the window.',
  inputs: { x: 'f32[batch, d, h, w, channels]', dy: 'f32[batch, yd, yh, yw, out]' },
  outputs: { dWeight: 'f32[out, kd, kh, kw, inner]' },
  attrs: { ...CONV_ATTRS, kernel: perAxis },
  infer: (inputs, attrs) => [f32(...wShape(weightGradGeometry(shapeAt(inputs, 0), shapeAt(inputs, 1), attrs)))],
  grad: (g) => {
    const ddw = g.dOutput(0);
    if (!ddw) return [null, null];
    const size = g.inputType(0).shape.slice(1, 4);
    return [
      g.wants(0) ? g.builder.one(convInputGrad, [g.input(1), ddw], { ...shared(g.attrs), size }) : null,
      g.wants(1) ? g.builder.one(conv, [g.input(0), ddw], shared(g.attrs)) : null,
    ];
  },
  cost: (inputs, _outputs, attrs) => products(macs(weightGradGeometry(shapeAt(inputs, 0), shapeAt(inputs, 1), attrs))),
  reference: (inputs, attrs) => {
    const [x, dy] = [arrayAt(inputs, 0), arrayAt(inputs, 1)];
    const g = weightGradGeometry(x.shape, dy.shape, attrs);
    const dw = ndArray(wShape(g));
    forEachProduct(g, (i, j, k) => (dw.data[k]! += dy.data[i]! * x.data[j]!));
    return [dw];
  },
  samples: SHAPES.map(({ x, y, attrs, kernel }) => ({ inputs: [x, y], attrs: { ...attrs, kernel } })),
});

const actSamples: readonly Sample[] = SHAPES.flatMap(({ x, w, attrs }, i) => {
  const activation = ACTIVATIONS[i % ACTIVATIONS.length]!;
  const bias = i % 3 === 2 ? null : f32(dim(w.shape, 0));
  return [{ inputs: [x, w, bias], attrs: { ...attrs, activation } }];
});

export const convAct = defineOp({
  name: 'conv_act',
  doc: 'activation(conv(x, weight) + bias), in one pass.',
  inputs: {
    x: 'f32[batch, d, h, w, channels]',
    weight: 'f32[out, kd, kh, kw, inner]',
    'bias?': 'f32[out]',
  },
  outputs: { y: 'f32[batch, yd, yh, yw, out]' },
  attrs: { ...CONV_ATTRS, activation: activationAttr },
  infer: (inputs, attrs) => [f32(...yShape(geometry(shapeAt(inputs, 0), shapeAt(inputs, 1), attrs)))],
  decompose: (b, [x, w, bias], attrs) => {
    const y = b.one(conv, [x!, w!], shared(attrs));
    return [activate(b, bias ? b.one(add, [y, bias]) : y, nameOf(attrs, 'activation'))];
  },
  cost: (inputs, outputs, attrs) => {
    const elements = numelAt(outputs, 0);
    const bias = inputs[2] ? elements : 0;
    const more = bias + activationFlops(nameOf(attrs, 'activation'), elements);
    return products(macs(geometry(shapeAt(inputs, 0), shapeAt(inputs, 1), attrs)), more);
  },
  samples: actSamples,
});

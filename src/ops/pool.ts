import { f32, i32, numel } from '../base/tensor-type.ts';
import type { Shape } from '../base/tensor-type.ts';
import { defineOp } from '../ir/define-op.ts';
import type { AttrKind, Attrs, OpDef } from '../ir/op.ts';
import { listOf } from './lib/attrs.ts';
import { free, perInput } from './lib/cost.ts';
import { ndArray } from './lib/nd.ts';
import { checkPlane, checkSpatial, forEachTap, perAxis, poolWindow, pooledSize, tapCount } from './lib/spatial.ts';
import { arrayAt, dim, shapeAt } from './lib/types.ts';

const POOL_ATTRS: Readonly<Record<string, AttrKind>> = {
  kernel: perAxis,
  stride: perAxis,
  padBefore: perAxis,
  padAfter: perAxis,
};
/** Of the adjoints: size is that of x, which strides leave open. */
const ADJOINT_ATTRS: Readonly<Record<string, AttrKind>> = { ...POOL_ATTRS, size: perAxis };

const shared = (attrs: Attrs): Attrs => Object.fromEntries(Object.keys(POOL_ATTRS).map((name) => [name, attrs[name]!]));

function outputShape(x: Shape, attrs: Attrs): number[] {
  return [dim(x, 0), ...pooledSize(x.slice(1, 4), poolWindow(attrs)), dim(x, 4)];
}

/** The shape of x, whose size is an attribute, where dy has the shape of the pool's output. */
function adjointShape(dy: Shape, attrs: Attrs): number[] {
  const size = listOf(attrs, 'size');
  checkSpatial('dy', dy, pooledSize(size, poolWindow(attrs)));
  return [dim(dy, 0), ...size, dim(dy, 4)];
}

/** One FLOP an element inside a window: padding is not read. */
const cost: OpDef['cost'] = (inputs, outputs, attrs) => {
  const [x, y] = [shapeAt(inputs, 0), shapeAt(outputs, 0)];
  const taps = tapCount(poolWindow(attrs), x.slice(1, 4), y.slice(1, 4));
  return { flops: dim(x, 0) * dim(x, 4) * taps, macs: 0 };
};

/** Calls `visit` with flat positions of output and input for every element of every window; `place` counts within the example's plane. */
function forEachElement(x: Shape, attrs: Attrs, visit: (output: number, input: number, place: number) => void): void {
  const [size, outputs] = [x.slice(1, 4), outputShape(x, attrs).slice(1, 4)];
  const [inside, outside, channels] = [numel(size), numel(outputs), dim(x, 4)];
  forEachTap(poolWindow(attrs), size, outputs, (output, _place, input) => {
    for (let b = 0; b < dim(x, 0); b++) {
      const [y0, x0] = [(b * outside + output) * channels, (b * inside + input) * channels];
      for (let c = 0; c < channels; c++) visit(y0 + c, x0 + c, input);
    }
  });
}

/** How many elements lie in the window of each output: padding left out. */
function countsOf(x: Shape, attrs: Attrs): Float64Array {
  const counts = new Float64Array(numel(outputShape(x, attrs)));
  forEachElement(x, attrs, (output) => counts[output]!++);
  return counts;
}

interface Case {
  readonly x: readonly number[];
  readonly attrs: Attrs;
}
const pool2 = (k: number, s: number, before = 0, after = before): Attrs => ({
  kernel: [1, k, k],
  stride: [1, s, s],
  padBefore: [0, before, before],
  padAfter: [0, after, after],
});
const CASES: readonly Case[] = [
  { x: [2, 1, 4, 6, 3], attrs: pool2(2, 2) },
  { x: [1, 1, 5, 5, 1], attrs: pool2(2, 2) },
  { x: [1, 1, 5, 7, 6], attrs: pool2(2, 2, 0, 1) },
  { x: [2, 1, 6, 6, 16], attrs: pool2(3, 2, 1) },
  { x: [2, 1, 5, 5, 17], attrs: pool2(3, 1, 1) },
  { x: [1, 1, 7, 4, 33], attrs: pool2(2, 3) },
  { x: [3, 1, 1, 1, 5], attrs: pool2(1, 1) },
  { x: [0, 1, 4, 4, 3], attrs: pool2(2, 2) },
  { x: [2, 1, 4, 4, 0], attrs: pool2(2, 2) },
  { x: [2, 1, 1, 17, 4], attrs: { kernel: [1, 1, 3], stride: [1, 1, 2], padBefore: [0, 0, 2], padAfter: [0, 0, 1] } },
  { x: [2, 4, 5, 6, 2], attrs: { kernel: [2, 3, 2], stride: [1, 2, 3], padBefore: [1, 0, 1], padAfter: [0, 2, 1] } },
  { x: [1, 1, 9, 9, 31], attrs: pool2(9, 1) },
  { x: [4, 1, 28, 28, 6], attrs: pool2(2, 2) },
  { x: [2, 1, 30, 31, 65], attrs: pool2(3, 2, 1) },
  { x: [160, 1, 28, 28, 1], attrs: pool2(2, 2) },
];
const planeOf = (x: Shape): number => numel(x.slice(1, 4));

// Largest of each window, first of equals, and NaN before all.
const beats = (challenger: number, holder: number): boolean =>
  challenger > holder || (Number.isNaN(challenger) && !Number.isNaN(holder));

export const maxpool = defineOp({
  name: 'maxpool',
  doc: 'The largest value of each window, and where it stands: (d·H + h)·W + w in its example. The first wins ties, NaN wins always; padding is never read.',
  inputs: { x: 'f32[batch, d, h, w, channels]' },
  outputs: { y: 'f32[batch, yd, yh, yw, channels]', index: 'i32[batch, yd, yh, yw, channels]' },
  attrs: POOL_ATTRS,
  infer: (inputs, attrs) => {
    const x = shapeAt(inputs, 0);
    const y = outputShape(x, attrs);
    checkPlane('maxpool', x.slice(1, 4));
    return [f32(...y), i32(...y)];
  },
  grad: (g) => {
    const dy = g.dOutput(0);
    const attrs = { ...shared(g.attrs), size: g.inputType(0).shape.slice(1, 4) };
    return [dy && g.builder.one(maxpoolGrad, [dy, g.output(1)], attrs)];
  },
  cost,
  reference: (inputs, attrs) => {
    const x = arrayAt(inputs, 0);
    const [y, index] = [ndArray(outputShape(x.shape, attrs)), ndArray(outputShape(x.shape, attrs))];
    index.data.fill(-1);
    forEachElement(x.shape, attrs, (output, input, place) => {
      if (index.data[output] !== -1 && !beats(x.data[input]!, y.data[output]!)) return;
      y.data[output] = x.data[input]!;
      index.data[output] = place;
    });
    return [y, index];
  },
  samples: [
    ...CASES.map(({ x, attrs }) => ({ inputs: [f32(...x)], attrs })),
    { inputs: [f32(2, 1, 6, 6, 17)], attrs: pool2(3, 2, 1), fill: ['below:3'], note: 'ties' },
  ],
});

export const maxpoolGrad = defineOp({
  name: 'maxpool_grad',
  doc: 'The gradient of maxpool: each dy is added at its index, in a fixed order; all else is 0. Indices outside the plane are an error of the data.',
  inputs: { dy: 'f32[batch, yd, yh, yw, channels]', index: 'i32[batch, yd, yh, yw, channels]' },
  outputs: { dx: 'f32[batch, d, h, w, channels]' },
  attrs: ADJOINT_ATTRS,
  infer: (inputs, attrs) => [f32(...adjointShape(shapeAt(inputs, 0), attrs))],
  grad: (g) => {
    const ddx = g.dOutput(0);
    return [ddx && g.builder.one(maxpoolGather, [ddx, g.input(1)], shared(g.attrs)), null];
  },
  cost: perInput(1),
  reference: (inputs, attrs) => {
    const [dy, index] = [arrayAt(inputs, 0), arrayAt(inputs, 1)];
    const dx = ndArray(adjointShape(dy.shape, attrs));
    const at = planePositions(dy.shape, dx.shape, index.data);
    dy.data.forEach((value, i) => (dx.data[at[i]!]! += value));
    return [dx];
  },
  samples: CASES.map(({ x, attrs }) => {
    const y = outputShape(x, attrs);
    return {
      inputs: [f32(...y), i32(...y)],
      attrs: { ...attrs, size: x.slice(1, 4) },
      fill: ['normal', `below:${planeOf(x)}`],
    };
  }),
});

/** Flat positions in x [B, d, h, w, C] of the places `index`, which has the shape of y. */
function planePositions(y: Shape, x: Shape, index: Float64Array): Float64Array {
  const [channels, outputs, plane] = [dim(x, 4), planeOf(y), planeOf(x)];
  return index.map((place, i) => {
    const example = Math.floor(i / (outputs * channels));
    return (example * plane + place) * channels + (i % channels);
  });
}

export const maxpoolGather = defineOp({
  name: 'maxpool_gather',
  doc: 'x read at the indices of a maxpool: the gradient of maxpool_grad.',
  inputs: { x: 'f32[batch, d, h, w, channels]', index: 'i32[batch, yd, yh, yw, channels]' },
  outputs: { y: 'f32[batch, yd, yh, yw, channels]' },
  attrs: POOL_ATTRS,
  infer: (inputs, attrs) => {
    const [x, index] = [shapeAt(inputs, 0), shapeAt(inputs, 1)];
    const y = outputShape(x, attrs);
    checkSpatial('index', index, y.slice(1, 4));
    return [f32(...y)];
  },
  grad: (g) => {
    const dy = g.dOutput(0);
    const attrs = { ...shared(g.attrs), size: g.inputType(0).shape.slice(1, 4) };
    return [dy && g.builder.one(maxpoolGrad, [dy, g.input(1)], attrs), null];
  },
  cost: free,
  reference: (inputs) => {
    const [x, index] = [arrayAt(inputs, 0), arrayAt(inputs, 1)];
    const at = planePositions(index.shape, x.shape, index.data);
    return [
      ndArray(
        index.shape,
        at.map((i) => x.data[i]!),
      ),
    ];
  },
  samples: CASES.map(({ x, attrs }) => ({
    inputs: [f32(...x), i32(...outputShape(x, attrs))],
    attrs,
    fill: ['normal', `below:${planeOf(x)}`],
  })),
});

export const avgpool = defineOp({
  name: 'avgpool',
  doc: 'The mean of each window; padding is left out of sum and count.',
  inputs: { x: 'f32[batch, d, h, w, channels]' },
  outputs: { y: 'f32[batch, yd, yh, yw, channels]' },
  attrs: POOL_ATTRS,
  infer: (inputs, attrs) => [f32(...outputShape(shapeAt(inputs, 0), attrs))],
  grad: (g) => {
    const dy = g.dOutput(0);
    const attrs = { ...shared(g.attrs), size: g.inputType(0).shape.slice(1, 4) };
    return [dy && g.builder.one(avgpoolGrad, [dy], attrs)];
  },
  cost,
  reference: (inputs, attrs) => {
    const x = arrayAt(inputs, 0);
    const y = ndArray(outputShape(x.shape, attrs));
    forEachElement(x.shape, attrs, (output, input) => (y.data[output]! += x.data[input]!));
    const counts = countsOf(x.shape, attrs);
    return [
      ndArray(
        y.shape,
        y.data.map((total, i) => total / counts[i]!),
      ),
    ];
  },
  samples: CASES.map(({ x, attrs }) => ({ inputs: [f32(...x)], attrs })),
});

export const avgpoolGrad = defineOp({
  name: 'avgpool_grad',
  doc: 'The adjoint of avgpool: every element of a window gets dy over the count of the window.',
  inputs: { dy: 'f32[batch, yd, yh, yw, channels]' },
  outputs: { dx: 'f32[batch, d, h, w, channels]' },
  attrs: ADJOINT_ATTRS,
  infer: (inputs, attrs) => [f32(...adjointShape(shapeAt(inputs, 0), attrs))],
  grad: (g) => {
    const ddx = g.dOutput(0);
    return [ddx && g.builder.one(avgpool, [ddx], shared(g.attrs))];
  },
  cost: (inputs, outputs, attrs) => cost(outputs, inputs as readonly NonNullable<(typeof inputs)[number]>[], attrs),
  reference: (inputs, attrs) => {
    const dy = arrayAt(inputs, 0);
    const dx = ndArray(adjointShape(dy.shape, attrs));
    const counts = countsOf(dx.shape, attrs);
    forEachElement(dx.shape, attrs, (output, input) => (dx.data[input]! += dy.data[output]! / counts[output]!));
    return [dx];
  },
  samples: CASES.map(({ x, attrs }) => ({
    inputs: [f32(...outputShape(x, attrs))],
    attrs: { ...attrs, size: x.slice(1, 4) },
  })),
});

import { f32, numel, sameShape } from '../base/tensor-type.ts';
import type { Shape } from '../base/tensor-type.ts';
import { Unfit } from '../base/unfit.ts';
import type { Builder } from '../ir/builder.ts';
import { defineOp } from '../ir/define-op.ts';
import type { Value } from '../ir/graph.ts';
import { listOf, numberOf } from './lib/attrs.ts';
import { broadcastShapes, repeatedAxes } from './lib/broadcast.ts';
import { free, perInput } from './lib/cost.ts';
import { broadcastStrides, gather, ndArray, offsetsOf } from './lib/nd.ts';
import { REDUCTION_SAMPLES, reducedShape } from './lib/reduction.ts';
import { arrayAt, shapeAt, showShape } from './lib/types.ts';
import { reshape } from './shape.ts';

/** `value` summed over the axes of the bit mask; they stay, with size 1. */
export const sumOver = (b: Builder, value: Value, axes: number): Value =>
  axes === 0 ? value : b.one(sum, [value], { axes });

/** The adjoint of repeating a tensor of this shape to that of `value`: sums over what was repeated. */
export function sumTo(b: Builder, value: Value, shape: Shape): Value {
  const summed = sumOver(b, value, repeatedAxes(shape, value.type.shape));
  return sameShape(summed.type.shape, shape) ? summed : b.one(reshape, [summed], { dims: shape });
}

/** Sums and repeats are each other's adjoint, so the two ops share a file. */
export const sum = defineOp({
  name: 'sum',
  doc: 'Sums over the axes whose bits are set in axes; they stay, with size 1. Error about 1e-7 relative to the sum of magnitudes.',
  inputs: { x: 'f32[...s]' },
  outputs: { y: 'f32[...t]' },
  attrs: { axes: 'u32' },
  infer: (inputs, attrs) => [f32(...reducedShape(shapeAt(inputs, 0), numberOf(attrs, 'axes')))],
  grad: (g) => {
    const dy = g.dOutput(0);
    return [dy && g.builder.one(broadcastTo, [dy], { dims: g.inputType(0).shape })];
  },
  cost: perInput(1),
  reference: (inputs, attrs) => {
    const x = arrayAt(inputs, 0);
    const y = ndArray(reducedShape(x.shape, numberOf(attrs, 'axes')));
    const to = offsetsOf(x.shape, broadcastStrides(y.shape, x.shape));
    for (let i = 0; i < x.data.length; i++) y.data[to[i]!]! += x.data[i]!;
    return [y];
  },
  samples: REDUCTION_SAMPLES,
});

function broadcastTarget(from: Shape, dims: Shape): Shape {
  if (from.length > dims.length || !sameShape(broadcastShapes(from, dims), dims)) {
    throw new Unfit(
      `${showShape(from)} does not repeat to ${showShape(dims)}`,
      'axes that are equal or 1',
      showShape(from),
    );
  }
  return dims;
}

export const broadcastTo = defineOp({
  name: 'broadcast_to',
  doc: 'Repeats axes of size 1 (and leading axes that are not there) up to dims, by the rule of numpy.',
  inputs: { x: 'f32[...s]' },
  outputs: { y: 'f32[...dims]' },
  attrs: { dims: 'dims' },
  infer: (inputs, attrs) => [f32(...broadcastTarget(shapeAt(inputs, 0), listOf(attrs, 'dims')))],
  grad: (g) => {
    const dy = g.dOutput(0);
    return [dy && sumTo(g.builder, dy, g.inputType(0).shape)];
  },
  cost: free,
  reference: (inputs, attrs) => {
    const x = arrayAt(inputs, 0);
    const dims = listOf(attrs, 'dims');
    return [numel(dims) === 0 ? ndArray(dims) : gather(dims, x.data, offsetsOf(dims, broadcastStrides(x.shape, dims)))];
  },
  samples: [
    { inputs: [f32()], attrs: { dims: [3, 5] } },
    { inputs: [f32(1)], attrs: { dims: [17] } },
    { inputs: [f32(17)], attrs: { dims: [17] }, note: 'nothing to repeat' },
    { inputs: [f32(17)], attrs: { dims: [4, 17] } },
    { inputs: [f32(33, 1)], attrs: { dims: [33, 65] } },
    { inputs: [f32(1, 31)], attrs: { dims: [5, 31] } },
    { inputs: [f32(2, 1, 3, 1)], attrs: { dims: [2, 4, 3, 5] } },
    { inputs: [f32(1, 3)], attrs: { dims: [0, 3] } },
    { inputs: [f32(2, 1, 3, 1, 2)], attrs: { dims: [2, 1, 2, 2, 2, 3, 2, 2] } },
    { inputs: [f32(129)], attrs: { dims: [900, 129] } },
    { inputs: [f32(900, 1)], attrs: { dims: [900, 129] } },
  ],
});

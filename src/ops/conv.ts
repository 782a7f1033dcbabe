import { f32 } from '../base/tensor-type.ts';
import { defineOp } from '../ir/define-op.ts';
import type { Attrs, NdArray, Sample } from '../ir/op.ts';
import { ACTIVATIONS, activate, activationAttr, activationFlops } from './activation.ts';
import { add } from './elementwise.ts';
import { nameOf } from './lib/attrs.ts';
import { CONV_CASES } from './lib/conv-cases.ts';
import {
  CONV_ATTRS,
  forEachProduct,
  geometry,
  inputGradGeometry,
  macs,
  shared,
  wShape,
  weightGradGeometry,
  xShape,
  yShape,
} from './lib/convolution.ts';
import { products } from './lib/cost.ts';
import { ndArray } from './lib/nd.ts';
import { perAxis } from './lib/spatial.ts';
import { arrayAt, dim, numelAt, shapeAt } from './lib/types.ts';

function convolve(x: NdArray, w: NdArray, attrs: Attrs): NdArray {
  const g = geometry(x.shape, w.shape, attrs);
  const y = ndArray(yShape(g));
  forEachProduct(g, (i, j, k) => (y.data[i]! += x.data[j]! * w.data[k]!));
  return y;
}

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
  samples: CONV_CASES.map(({ x, w, attrs }) => ({ inputs: [x, w], attrs })),
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
  samples: CONV_CASES.map(({ y, w, attrs, size }) => ({ inputs: [y, w], attrs: { ...attrs, size } })),
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
  samples: CONV_CASES.map(({ x, y, attrs, kernel }) => ({ inputs: [x, y], attrs: { ...attrs, kernel } })),
});

const actSamples: readonly Sample[] = CONV_CASES.flatMap(({ x, w, attrs }, i) => {
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

import { f32 } from '../base/tensor-type.ts';
import { defineOp } from '../ir/define-op.ts';
import type { Sample } from '../ir/op.ts';
import { ACTIVATION_GRADS, ACTIVATIONS, activate, activationAttr, activationFlops } from './activation.ts';
import type { Activation } from './activation.ts';
import { add } from './elementwise.ts';
import { nameOf } from './lib/attrs.ts';
import { products } from './lib/cost.ts';
import { dim, numelAt, shapeAt } from './lib/types.ts';
import { matmul, precisionAttr } from './matmul.ts';

const sample = (
  rows: number,
  width: number,
  out: number,
  activation: string,
  bias = true,
  residual = false,
  precision = 'f32',
): Sample => ({
  inputs: [f32(rows, width), f32(out, width), bias ? f32(out) : null, residual ? f32(rows, out) : null],
  attrs: { activation, precision },
});

export const linear = defineOp({
  name: 'linear',
  doc: 'y = activation(x·weightᵀ + bias) + residual, in one pass: all is done to a tile while it is in the first cache.',
  inputs: {
    x: 'f32[rows, width]',
    weight: 'f32[out, width]',
    'bias?': 'f32[out]',
    'residual?': 'f32[rows, out]',
  },
  outputs: { y: 'f32[rows, out]' },
  attrs: { activation: activationAttr, precision: precisionAttr },
  decompose: (b, [x, weight, bias, residual], attrs) => {
    const product = b.one(matmul, [x!, weight!], { transA: 0, transB: 1, precision: attrs['precision']! });
    const biased = bias ? b.one(add, [product, bias]) : product;
    const y = activate(b, biased, nameOf(attrs, 'activation'));
    return [residual ? b.one(add, [y, residual]) : y];
  },
  cost: (inputs, outputs, attrs) => {
    const elements = numelAt(outputs, 0);
    const added = [inputs[2], inputs[3]].filter((t) => t).length * elements;
    const more = added + activationFlops(nameOf(attrs, 'activation'), elements);
    return products(elements * dim(shapeAt(inputs, 0), 1), more);
  },
  samples: [
    ...ACTIVATIONS.flatMap((name) => [sample(7, 17, 33, name), sample(16, 65, 15, name, false)]),
    sample(1, 1, 1, 'relu'),
    sample(0, 4, 5, 'none'),
    sample(4, 5, 0, 'none'),
    sample(4, 0, 5, 'tanh'),
    sample(1, 784, 10, 'none'),
    sample(31, 63, 65, 'sigmoid'),
    sample(15, 31, 17, 'relu'),
    sample(64, 200, 200, 'relu'),
    sample(400, 50, 260, 'gelu'),
    sample(2, 2100, 40, 'silu'),
    sample(7, 17, 33, 'none', true, true),
    sample(33, 520, 17, 'gelu', false, true),
    sample(2, 9000, 20, 'none', true, true),
    sample(0, 3, 4, 'none', true, true),
    sample(7, 17, 33, 'gelu', true, true, 'bf16'),
    sample(33, 1041, 65, 'relu', true, false, 'bf16'),
    sample(4, 0, 5, 'tanh', true, false, 'bf16'),
    sample(2, 9001, 20, 'none', true, true, 'bf16'),
  ],
});

const backSample = (
  rows: number,
  width: number,
  out: number,
  slope: string,
  more: boolean,
  precision = 'f32',
): Sample => ({
  inputs: [f32(rows, out), f32(out, width), slope === 'none' ? null : f32(rows, width), more ? f32(rows, width) : null],
  attrs: { slope, precision },
});

export const linearInputGrad = defineOp({
  name: 'linear_input_grad',
  doc: "Gradient of linear's x, in one pass: dx = (dy·weight)∘slope + more, where slope is that of an activation before the product, from its output z (relu, tanh, sigmoid) or its input z (the others), and more another gradient of the same values.",
  inputs: {
    dy: 'f32[rows, out]',
    weight: 'f32[out, width]',
    'z?': 'f32[rows, width]',
    'more?': 'f32[rows, width]',
  },
  outputs: { dx: 'f32[rows, width]' },
  attrs: { slope: activationAttr, precision: precisionAttr },
  check: ([, , z], attrs) =>
    (nameOf(attrs, 'slope') === 'none') === !z ? null : 'z must be there exactly where slope is not none',
  decompose: (b, [dy, weight, z, more], attrs) => {
    const product = b.one(matmul, [dy!, weight!], { transA: 0, transB: 0, precision: attrs['precision']! });
    const grad = ACTIVATION_GRADS[nameOf(attrs, 'slope') as Activation];
    const sloped = grad ? b.one(grad, [z!, product]) : product;
    return [more ? b.one(add, [sloped, more]) : sloped];
  },
  cost: (inputs, outputs, attrs) => {
    const elements = numelAt(outputs, 0);
    const slope = activationFlops(nameOf(attrs, 'slope'), elements);
    return products(elements * dim(shapeAt(inputs, 0), 1), slope + (inputs[3] ? elements : 0));
  },
  samples: [
    ...ACTIVATIONS.flatMap((name) => [backSample(7, 17, 33, name, false), backSample(16, 65, 15, name, true)]),
    backSample(1, 1, 1, 'relu', true),
    backSample(0, 4, 5, 'gelu', true),
    backSample(4, 0, 5, 'none', true),
    backSample(4, 5, 0, 'gelu', true),
    backSample(31, 63, 65, 'tanh', true),
    backSample(400, 260, 50, 'gelu', true),
    backSample(33, 17, 1040, 'silu', true),
    backSample(2, 20, 9000, 'gelu', true),
    backSample(7, 17, 33, 'gelu', true, 'bf16'),
    backSample(33, 65, 1041, 'relu', false, 'bf16'),
    backSample(4, 5, 0, 'gelu', true, 'bf16'),
  ],
});

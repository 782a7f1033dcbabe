import { f32 } from '../base/tensor-type.ts';
import { defineOp } from '../ir/define-op.ts';
import type { Sample } from '../ir/op.ts';
import { ACTIVATIONS, activate, activationAttr, activationFlops } from './activation.ts';
import { add } from './elementwise.ts';
import { nameOf } from './lib/attrs.ts';
import { products } from './lib/cost.ts';
import { dim, numelAt, shapeAt } from './lib/types.ts';
import { matmul } from './matmul.ts';

const sample = (rows: number, width: number, out: number, activation: string, bias = true): Sample => ({
  inputs: [f32(rows, width), f32(out, width), bias ? f32(out) : null],
  attrs: { activation },
});

export const linear = defineOp({
  name: 'linear',
  doc: 'y = activation(x·weightᵀ + bias), in one pass: bias and activation are applied while the tile is in registers.',
  inputs: { x: 'f32[rows, width]', weight: 'f32[out, width]', 'bias?': 'f32[out]' },
  outputs: { y: 'f32[rows, out]' },
  attrs: { activation: activationAttr },
  decompose: (b, [x, weight, bias], attrs) => {
    const product = b.one(matmul, [x!, weight!], { transA: 0, transB: 1 });
    const biased = bias ? b.one(add, [product, bias]) : product;
    return [activate(b, biased, nameOf(attrs, 'activation'))];
  },
  cost: (inputs, outputs, attrs) => {
    const elements = numelAt(outputs, 0);
    const bias = inputs[2] ? elements : 0;
    const more = bias + activationFlops(nameOf(attrs, 'activation'), elements);
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
  ],
});

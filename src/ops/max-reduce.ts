import { f32 } from '../base/tensor-type.ts';
import { defineOp } from '../ir/define-op.ts';
import { div, equal, mul } from './elementwise.ts';
import { numberOf } from './lib/attrs.ts';
import { perInput } from './lib/cost.ts';
import { broadcastStrides, ndArray, offsetsOf } from './lib/nd.ts';
import { REDUCTION_SAMPLES, reducedShape } from './lib/reduction.ts';
import { arrayAt, shapeAt } from './lib/types.ts';
import { sumOver } from './reduce.ts';

export const maxReduce = defineOp({
  name: 'max_reduce',
  doc: 'The largest value over the axes whose bits are set in axes; they stay, with size 1. -infinity over nothing. Ties share the gradient evenly.',
  inputs: { x: 'f32[...s]' },
  outputs: { y: 'f32[...t]' },
  attrs: { axes: 'u32' },
  infer: (inputs, attrs) => [f32(...reducedShape(shapeAt(inputs, 0), numberOf(attrs, 'axes')))],
  grad: (g) => {
    const dy = g.dOutput(0);
    if (!dy) return [null];
    const b = g.builder;
    const isLargest = b.one(equal, [g.input(0), g.output(0)]);
    const share = b.one(div, [dy, sumOver(b, isLargest, numberOf(g.attrs, 'axes'))]);
    return [b.one(mul, [isLargest, share])];
  },
  cost: perInput(1),
  reference: (inputs, attrs) => {
    const x = arrayAt(inputs, 0);
    const y = ndArray(reducedShape(x.shape, numberOf(attrs, 'axes')));
    y.data.fill(-Infinity);
    const to = offsetsOf(x.shape, broadcastStrides(y.shape, x.shape));
    for (let i = 0; i < x.data.length; i++) y.data[to[i]!] = Math.max(y.data[to[i]!]!, x.data[i]!);
    return [y];
  },
  samples: [...REDUCTION_SAMPLES, { inputs: [f32(7, 33)], attrs: { axes: 2 }, fill: ['below:3'], note: 'ties' }],
});

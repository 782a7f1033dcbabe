import { f32 } from '../base/tensor-type.ts';
import { defineOp } from '../ir/define-op.ts';
import { numberOf } from './lib/attrs.ts';
import { free } from './lib/cost.ts';
import { ndArray } from './lib/nd.ts';
import { arrayAt } from './lib/types.ts';

export const tril = defineOp({
  name: 'tril',
  doc: 'Keeps the lower triangle of each square matrix, column <= row, and puts value elsewhere: with -infinity before a softmax, causal attention.',
  inputs: { x: 'f32[...lead, n, n]' },
  outputs: { y: 'f32[...lead, n, n]' },
  attrs: { value: 'f32' },
  grad: (g) => {
    const dy = g.dOutput(0);
    return [dy && g.builder.one(tril, [dy], { value: 0 })];
  },
  cost: free,
  reference: (inputs, attrs) => {
    const x = arrayAt(inputs, 0);
    const n = x.shape.at(-1)!;
    const value = numberOf(attrs, 'value');
    return [
      ndArray(
        x.shape,
        x.data.map((v, i) => (i % n > Math.floor(i / n) % n ? value : v)),
      ),
    ];
  },
  samples: [
    { inputs: [f32(3, 3)], attrs: { value: -1 } },
    { inputs: [f32(2, 17, 17)], attrs: { value: 0 } },
    { inputs: [f32(2, 3, 33, 33)], attrs: { value: 7 } },
    { inputs: [f32(1, 1)], attrs: { value: 2 } },
    { inputs: [f32(16, 16)], attrs: { value: -Infinity } },
    { inputs: [f32(15, 15)], attrs: { value: -1 } },
    { inputs: [f32(31, 31)], attrs: { value: -1 } },
    { inputs: [f32(0, 4, 4)], attrs: { value: 0 } },
    { inputs: [f32(3, 0, 0)], attrs: { value: 0 } },
    { inputs: [f32(31, 65, 65)], attrs: { value: -3 }, note: 'several tasks' },
  ],
  inPlace: [0],
});

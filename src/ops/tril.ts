import { f32 } from '../base/tensor-type.ts';
import { defineOp } from '../ir/define-op.ts';
import { numberOf } from './lib/attrs.ts';
import { free } from './lib/cost.ts';
import { ndArray } from './lib/nd.ts';
import { arrayAt } from './lib/types.ts';

export const tril = defineOp({
  name: 'tril',
  doc: 'Keeps the lower triangle of each matrix, column <= row, and puts `value` elsewhere: with -infinity before a softmax, causal attention.',
  inputs: { x: 'f32[...lead, rows, cols]' },
  outputs: { y: 'f32[...lead, rows, cols]' },
  attrs: { value: 'f32' },
  grad: (g) => {
    const dy = g.dOutput(0);
    return [dy && g.builder.one(tril, [dy], { value: 0 })];
  },
  cost: free,
  reference: (inputs, attrs) => {
    const x = arrayAt(inputs, 0);
    const [rows, cols] = [x.shape.at(-2)!, x.shape.at(-1)!];
    const y = ndArray(x.shape, x.data.slice());
    const value = numberOf(attrs, 'value');
    for (let i = 0; i < y.data.length; i++) if (i % cols > Math.floor(i / cols) % rows) y.data[i] = value;
    return [y];
  },
  samples: [
    { inputs: [f32(3, 3)], attrs: { value: -1 } },
    { inputs: [f32(2, 5, 17)], attrs: { value: 0 } },
    { inputs: [f32(2, 3, 33, 16)], attrs: { value: 7 } },
    { inputs: [f32(1, 1)], attrs: { value: 2 } },
    { inputs: [f32(0, 4, 4)], attrs: { value: 0 } },
    { inputs: [f32(4, 0)], attrs: { value: 0 } },
    { inputs: [f32(30, 65, 64)], attrs: { value: -3 }, note: 'several tasks' },
  ],
  inPlace: [0],
});

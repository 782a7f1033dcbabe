import { roundBf16 } from '../base/precision.ts';
import { f32 } from '../base/tensor-type.ts';
import { defineOp } from '../ir/define-op.ts';
import type { Attrs } from '../ir/op.ts';
import { numberOf } from './lib/attrs.ts';
import { perOutput } from './lib/cost.ts';
import { affine } from './elementwise.ts';
import { mapArray } from './lib/nd.ts';
import { arrayAt } from './lib/types.ts';

const MAX_ROUNDS = 65536;
const rounds = (attrs: Attrs): number => numberOf(attrs, 'rounds');
const tooMany = (attrs: Attrs): string | null =>
  rounds(attrs) > MAX_ROUNDS ? `rounds is ${rounds(attrs)}: at most ${MAX_ROUNDS}` : null;
const attrs = (count: number, scale: number, shift: number): Attrs => ({ rounds: count, scale, shift });

/** Arithmetic without memory: many rounds over few numbers run at the speed of the multiply-add units, which is how a roofline measures them. */
export const repeatAffine = defineOp({
  name: 'repeat_affine',
  doc: 'x becomes scale·x + shift, so many rounds over: all of them in registers.',
  inputs: { x: 'f32[...s]' },
  outputs: { y: 'f32[...s]' },
  attrs: { rounds: 'u32', scale: 'f32', shift: 'f32' },
  check: (_inputs, a) => tooMany(a),
  grad: (g) => {
    const dy = g.dOutput(0);
    const slope = numberOf(g.attrs, 'scale') ** rounds(g.attrs);
    return [dy && g.builder.one(affine, [dy], { scale: slope, shift: 0 })];
  },
  cost: (inputs, outputs, a) => perOutput(2 * rounds(a))(inputs, outputs, a),
  reference: (inputs, a) => {
    const [scale, shift] = [numberOf(a, 'scale'), numberOf(a, 'shift')];
    return [
      mapArray(arrayAt(inputs, 0), (x) => {
        let y = x;
        for (let i = 0; i < rounds(a); i++) y = scale * y + shift;
        return y;
      }),
    ];
  },
  samples: [
    { inputs: [f32()], attrs: attrs(1, 2, -1) },
    { inputs: [f32(17)], attrs: attrs(3, 0.5, 1) },
    { inputs: [f32(15, 33)], attrs: attrs(2, -0.5, 0.25) },
    { inputs: [f32(0)], attrs: attrs(2, 1, 1) },
    { inputs: [f32(300)], attrs: attrs(0, 2, 3), note: 'no rounds' },
    { inputs: [f32(5000)], attrs: attrs(20, 0.9, 0.1), note: 'several tasks' },
  ],
  inPlace: [0],
});

/** The same for products of bf16: how a roofline measures the instructions that multiply pairs of them. */
export const repeatDot = defineOp({
  name: 'repeat_dot',
  doc: 'x + a·b + a·b, so many rounds over, with a and b rounded to bf16: all of them in registers, by pairs where the CPU has bf16 so.',
  inputs: { x: 'f32[...s]' },
  outputs: { y: 'f32[...s]' },
  attrs: { rounds: 'u32', a: 'f32', b: 'f32' },
  check: (_inputs, a) => tooMany(a),
  grad: (g) => [g.dOutput(0)],
  cost: (inputs, outputs, a) => perOutput(4 * rounds(a))(inputs, outputs, a),
  reference: (inputs, at) => {
    const product = roundBf16(numberOf(at, 'a')) * roundBf16(numberOf(at, 'b'));
    return [mapArray(arrayAt(inputs, 0), (x) => x + 2 * rounds(at) * product)];
  },
  samples: [
    { inputs: [f32()], attrs: { rounds: 1, a: 2, b: -1 } },
    { inputs: [f32(17)], attrs: { rounds: 3, a: 0.501, b: 1.003 } },
    { inputs: [f32(15, 33)], attrs: { rounds: 2, a: -0.5, b: 0.26 } },
    { inputs: [f32(0)], attrs: { rounds: 2, a: 1, b: 1 } },
    { inputs: [f32(300)], attrs: { rounds: 0, a: 2, b: 3 }, note: 'no rounds' },
    { inputs: [f32(5000)], attrs: { rounds: 20, a: 0.9, b: 0.1 }, note: 'several tasks' },
  ],
  inPlace: [0],
});

import { f32 } from '../base/tensor-type.ts';
import { defineOp } from '../ir/define-op.ts';
import { numberOf } from './lib/attrs.ts';
import { ndArray } from './lib/nd.ts';
import { arrayAt, dim, numelAt, shapeAt } from './lib/types.ts';

export const isPowerOfTwo = (n: number): boolean => n >= 1 && Math.log2(n) % 1 === 0;

/** The transform of each run of `n` numbers, in place, in float64. */
export function transformRows(data: Float64Array, n: number): void {
  for (let h = 1; h < n; h *= 2) {
    for (let i = 0; i < data.length; i++) {
      if (i & h) continue;
      const [a, b] = [data[i]!, data[i + h]!];
      data[i] = a + b;
      data[i + h] = a - b;
    }
  }
}

const SIZES = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192] as const;

export const hadamard = defineOp({
  name: 'hadamard',
  doc: 'Walsh-Hadamard transform over the last axis, times scale: y[i] = scale·Σ_j (−1)^popcount(i & j) x[j] (Sylvester order). The axis is a power of two. It is its own transpose.',
  inputs: { x: 'f32[...lead, n]' },
  outputs: { y: 'f32[...lead, n]' },
  attrs: { scale: 'f32' },
  check: ([x]) => {
    const n = x!.shape.at(-1)!;
    return isPowerOfTwo(n) ? null : `the last axis must be a power of two, not ${n}`;
  },
  grad: (g) => {
    const dy = g.dOutput(0);
    return [dy && g.builder.one(hadamard, [dy], g.attrs)];
  },
  cost: (inputs) => {
    const n = dim(shapeAt(inputs, 0), shapeAt(inputs, 0).length - 1);
    return { flops: numelAt(inputs, 0) * (Math.log2(n) + 1), macs: 0 };
  },
  reference: (inputs, attrs) => {
    const x = arrayAt(inputs, 0);
    const y = ndArray(x.shape, x.data.slice());
    transformRows(y.data, x.shape.at(-1)!);
    y.data.forEach((v, i) => (y.data[i] = v * numberOf(attrs, 'scale')));
    return [y];
  },
  samples: [
    ...SIZES.map((n) => ({ inputs: [f32(3, n)], attrs: { scale: 1 } })),
    { inputs: [f32(16)], attrs: { scale: -0.25 } },
    { inputs: [f32(0, 4)], attrs: { scale: 1 } },
    { inputs: [f32(2, 3, 8)], attrs: { scale: 0.125 } },
    { inputs: [f32(1001, 64)], attrs: { scale: 1 }, note: 'several tasks' },
    ...[16384, 32768, 65536, 131072].map((n) => ({
      inputs: [f32(2, n)],
      attrs: { scale: 1 / 64 },
      note: 'columns first',
    })),
  ],
  inPlace: [0],
});

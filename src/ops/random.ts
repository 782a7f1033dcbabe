import { f32, i32, numel } from '../base/tensor-type.ts';
import { philoxInto } from '../base/philox.ts';
import type { Key } from '../base/philox.ts';
import { defineOp } from '../ir/define-op.ts';
import type { Attrs } from '../ir/op.ts';
import { listOf, numberOf } from './lib/attrs.ts';
import { free } from './lib/cost.ts';
import { ndArray } from './lib/nd.ts';
import { SHAPES } from './lib/samples.ts';
import { arrayAt } from './lib/types.ts';

const keyAttrs = { key0: 'u32', key1: 'u32' } as const;
const keyOf = (attrs: Attrs): Key => [numberOf(attrs, 'key0'), numberOf(attrs, 'key1')];
const KEY: Attrs = { key0: 0x243f6a88, key1: 0x85a308d3 };

/** Calls `visit` with each element and its word of Philox4x32-10: word e mod 4 of the block with counter (e/4 low, e/4 high, third, 0). */
function forEachWord(elements: number, key: Key, third: number, visit: (e: number, words: Uint32Array) => void): void {
  const words = new Uint32Array(4);
  for (let e = 0; e < elements; e++) {
    const block = Math.floor(e / 4);
    if (e % 4 === 0) philoxInto(words, block >>> 0, Math.floor(block / 2 ** 32), third, 0, key[0], key[1]);
    visit(e, words);
  }
}

export const dropout = defineOp({
  name: 'dropout',
  doc: 'Zero with probability p, else x/(1 − p) (Srivastava et al. 2014). The choice is a function of key, step and element alone, so the gradient is the same op on dy. p = 1 drops all.',
  inputs: { x: 'f32[...s]', step: 'i32[1]' },
  outputs: { y: 'f32[...s]' },
  attrs: { p: 'f32', ...keyAttrs },
  rowLocal: 'leading',
  check: (_inputs, attrs) => {
    const p = numberOf(attrs, 'p');
    return p >= 0 && p <= 1 ? null : `p must be between 0 and 1, not ${p}`;
  },
  grad: (g) => {
    const dy = g.dOutput(0);
    return [dy && g.builder.one(dropout, [dy, g.input(1)], g.attrs), null];
  },
  cost: free,
  reference: (inputs, attrs) => {
    const [x, step] = [arrayAt(inputs, 0), arrayAt(inputs, 1)];
    const p = Math.fround(numberOf(attrs, 'p'));
    const threshold = Math.floor(p * 2 ** 32 + 0.5);
    const y = ndArray(x.shape);
    forEachWord(x.data.length, keyOf(attrs), step.data[0]! >>> 0, (e, words) => {
      if (words[e % 4]! >= threshold) y.data[e] = x.data[e]! / (1 - p);
    });
    return [y];
  },
  samples: [
    ...SHAPES.map((shape) => ({ inputs: [f32(...shape), i32(1)], attrs: { p: 0.25, ...KEY } })),
    ...[0, 0.1, 0.5, 0.9, 1].map((p) => ({ inputs: [f32(1003), i32(1)], attrs: { p: Math.fround(p), ...KEY } })),
    { inputs: [f32(64), i32(1)], attrs: { p: 0.5, key0: 0xffffffff, key1: 0 } },
  ].map((s) => ({ ...s, fill: ['normal', 'below:100000'] as const })),
  inPlace: [0],
});

const dimsSamples = SHAPES.filter((shape) => shape.length !== 1 || shape[0]! > 2);

export const randomNormal = defineOp({
  name: 'random_normal',
  doc: 'Normal numbers of mean 0 and deviation std, by Box-Muller on the four words of a block: u = (word + 1/2)·2⁻³²; words 0 and 1 give r·cos and r·sin with r = √(−2 ln u₀) and angle 2π·u₁; words 2 and 3 likewise. With a step, each step has numbers of its own.',
  inputs: { 'step?': 'i32[1]' },
  outputs: { y: 'f32[...dims]' },
  attrs: { dims: 'dims', std: 'f32', ...keyAttrs },
  infer: (_inputs, attrs) => [f32(...listOf(attrs, 'dims'))],
  grad: () => [null],
  cost: free,
  reference: ([step], attrs) => {
    const y = ndArray(listOf(attrs, 'dims'));
    forEachWord(numel(y.shape), keyOf(attrs), (step?.data[0] ?? 0) >>> 0, (e, words) => {
      const first = (e % 4) & 2;
      const u = (words[first]! + 0.5) / 2 ** 32;
      const turn = 2 * Math.PI * ((words[first + 1]! + 0.5) / 2 ** 32);
      const wave = e % 2 === 0 ? Math.cos(turn) : Math.sin(turn);
      y.data[e] = numberOf(attrs, 'std') * Math.sqrt(-2 * Math.log(u)) * wave;
    });
    return [y];
  },
  samples: [
    ...dimsSamples.map((dims) => ({ inputs: [null], attrs: { dims, std: 1, ...KEY } })),
    { inputs: [null], attrs: { dims: [33], std: 0, ...KEY } },
    { inputs: [null], attrs: { dims: [1003], std: 0.125, key0: 0, key1: 0xffffffff } },
    { inputs: [i32(1)], attrs: { dims: [3, 33], std: 1, ...KEY }, fill: ['below:100000'] },
  ],
});

export const fill = defineOp({
  name: 'fill',
  doc: 'The same value everywhere.',
  inputs: {},
  outputs: { y: 'f32[...dims]' },
  attrs: { dims: 'dims', value: 'f32' },
  rowLocal: 'leading',
  infer: (_inputs, attrs) => [f32(...listOf(attrs, 'dims'))],
  grad: () => [],
  cost: free,
  reference: (_inputs, attrs) => {
    const y = ndArray(listOf(attrs, 'dims'));
    y.data.fill(numberOf(attrs, 'value'));
    return [y];
  },
  samples: [
    ...dimsSamples.map((dims) => ({ inputs: [], attrs: { dims, value: -1.5 } })),
    { inputs: [], attrs: { dims: [65], value: 0 } },
    { inputs: [], attrs: { dims: [65], value: Infinity } },
  ],
});

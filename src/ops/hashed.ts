import { f32, numel } from '../base/tensor-type.ts';
import { philoxInto } from '../base/philox.ts';
import { defineOp } from '../ir/define-op.ts';
import type { Attrs } from '../ir/op.ts';
import { listOf, numberOf } from './lib/attrs.ts';
import { perInput, perOutput } from './lib/cost.ts';
import { ndArray } from './lib/nd.ts';
import { arrayAt, dim } from './lib/types.ts';

const HASH_ATTRS = { key0: 'u32', key1: 'u32', stream: 'u32' } as const;
const MOST = 2 ** 31;

/** Calls `visit` with each place, the bucket that it shares and its sign: of word e mod 4 of block e/4, 31 bits and one. */
function forEachPlace(
  n: number,
  buckets: number,
  attrs: Attrs,
  visit: (e: number, at: number, sign: number) => void,
): void {
  const words = new Uint32Array(4);
  const [low, high, stream] = [numberOf(attrs, 'key0'), numberOf(attrs, 'key1'), numberOf(attrs, 'stream')];
  for (let e = 0; e < n; e++) {
    if (e % 4 === 0) philoxInto(words, e / 4, 0, stream, 0, low, high);
    const word = words[e % 4]!;
    visit(e, Number((BigInt(word >>> 1) * BigInt(buckets)) >> 31n), word & 1 ? -1 : 1);
  }
}

const KEY = { key0: 0x243f6a88, key1: 0x85a308d3, stream: 3 };
const SIZES = [
  [[], 1],
  [[0], 5],
  [[1], 3],
  [[17], 4],
  [[5, 13], 7],
  [[33], 100],
  [[3, 5, 67], 64],
  [[40009], 1021],
] as const;

const problem = (n: number, buckets: number): string | null =>
  n > MOST || buckets > MOST ? 'at most 2^31 numbers' : n > 0 && buckets === 0 ? 'numbers share nothing: m is 0' : null;

export const hashed = defineOp({
  name: 'hashed',
  doc: 'Random parameter sharing (Chen et al. 2015, HashedNets): w[i] = ±v[h(i)], sign and place a function of key, stream and i.',
  inputs: { v: 'f32[m]' },
  outputs: { w: 'f32[...dims]' },
  attrs: { dims: 'dims', ...HASH_ATTRS },
  check: ([v], attrs) => problem(numel(listOf(attrs, 'dims')), dim(v!.shape, 0)),
  infer: (_inputs, attrs) => [f32(...listOf(attrs, 'dims'))],
  grad: (g) => {
    const dw = g.dOutput(0);
    const { dims: _, ...attrs } = g.attrs;
    return [dw && g.builder.one(hashedGrad, [dw], { m: dim(g.inputType(0).shape, 0), ...attrs })];
  },
  cost: perOutput(1),
  reference: (inputs, attrs) => {
    const v = arrayAt(inputs, 0);
    const w = ndArray(listOf(attrs, 'dims'));
    forEachPlace(w.data.length, v.data.length, attrs, (e, at, sign) => (w.data[e] = sign * v.data[at]!));
    return [w];
  },
  samples: SIZES.map(([dims, m]) => ({ inputs: [f32(m)], attrs: { dims, ...KEY } })),
});

export const hashedGrad = defineOp({
  name: 'hashed_grad',
  doc: 'Gradient of hashed: dv[k] = Σ ±dw[i] over the i that share k.',
  inputs: { dw: 'f32[...s]' },
  outputs: { dv: 'f32[m]' },
  attrs: { m: 'u32', ...HASH_ATTRS },
  check: ([dw], attrs) => problem(numel(dw!.shape), numberOf(attrs, 'm')),
  grad: (g) => {
    const ddv = g.dOutput(0);
    const { m: _, ...attrs } = g.attrs;
    return [ddv && g.builder.one(hashed, [ddv], { dims: g.inputType(0).shape, ...attrs })];
  },
  cost: perInput(1),
  reference: (inputs, attrs) => {
    const dw = arrayAt(inputs, 0);
    const dv = ndArray([numberOf(attrs, 'm')]);
    forEachPlace(dw.data.length, dv.data.length, attrs, (e, at, sign) => (dv.data[at]! += sign * dw.data[e]!));
    return [dv];
  },
  samples: SIZES.map(([dims, m]) => ({ inputs: [f32(...dims)], attrs: { m, ...KEY } })),
});

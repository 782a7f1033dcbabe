import { f32 } from '../../base/tensor-type.ts';
import type { Builder } from '../../ir/builder.ts';
import type { Value } from '../../ir/graph.ts';
import { add } from '../../ops/elementwise.ts';
import { kronConv } from '../../ops/kron-conv.ts';
import { kronLinear } from '../../ops/kron-linear.ts';
import { linear } from '../../ops/linear.ts';
import type { CaseKind } from '../case.ts';
import { planeConv } from './conv.ts';
import { forwardAndBackward } from '../runner.ts';

/** BATCH IN OUT: a linear layer with bias. */
export const dense: CaseKind = {
  kind: 'dense',
  lines: ['dense/b64_512to512 64 512 512'],
  cases: ({ name, words }, threads) => {
    const [batch, ins, outs] = words.map(Number) as [number, number, number];
    const build = (b: Builder, [x, w, bias]: readonly Value[]): Value =>
      b.one(linear, [x!, w!, bias!, null], { activation: 'none', precision: 'f32' });
    const types = [f32(batch, ins), f32(outs, ins), f32(outs)];
    return forwardAndBackward(name, { flop: 2 * batch * ins * outs }, types, build, threads);
  },
};

/** BATCH IN OUT N: a Kronecker linear layer with bias; FLOPs are those of the plain layer. */
export const phm: CaseKind = {
  kind: 'phm',
  lines: ['phm/b64_512to512_n4 64 512 512 4', 'phm/b1024_512to512_n4 1024 512 512 4'],
  cases: ({ name, words }, threads) => {
    const [batch, ins, outs, n] = words.map(Number) as [number, number, number, number];
    const types = [f32(batch, ins), f32(n, n, n), f32(n, outs / n, ins / n), f32(outs)];
    const build = (b: Builder, [x, a, f, bias]: readonly Value[]): Value =>
      b.one(add, [b.one(kronLinear, [x!, a!, f!]), bias!]);
    return forwardAndBackward(name, { flop: 2 * batch * ins * outs }, types, build, threads);
  },
  over: (words) => `dense ${words.slice(0, 3).join(' ')}`,
};

/** BATCH CIN H W COUT KERNEL PAD N: a Kronecker convolution with bias, stride 1; FLOPs are those of the plain layer. */
export const phc: CaseKind = {
  kind: 'phc',
  lines: ['phc/b64_64x16x16_to64_k3_n4 64 64 16 16 64 3 1 4'],
  cases: ({ name, words }, threads) => {
    const { x, cin, cout, k, attrs, flop, least } = planeConv(words);
    const n = Number(words[7]);
    const types = [x, f32(n, n, n), f32(n, cout / n, 1, k, k, cin / n), f32(cout)];
    const build = (b: Builder, [x, a, f, bias]: readonly Value[]): Value =>
      b.one(add, [b.one(kronConv, [x!, a!, f!], attrs), bias!]);
    return forwardAndBackward(name, { flop, least }, types, build, threads);
  },
  over: (words) => `conv ${words.slice(0, 7).join(' ')}`,
};

import { f32 } from '../../base/tensor-type.ts';
import type { Builder } from '../../ir/builder.ts';
import type { Value } from '../../ir/graph.ts';
import { conv as convOp } from '../../ops/conv.ts';
import { add } from '../../ops/elementwise.ts';
import type { CaseKind } from '../case.ts';
import { forwardAndBackward } from '../runner.ts';

/** Channels from which on Winograd's transforms pay: a 4 x 4 tile of results then takes 36 products a pair of channels, not 144. */
const TRANSFORMED = 16;

/** A square convolution of stride 1 on the plane from its first seven words, BATCH CIN H W COUT KERNEL PAD. */
export function planeConv(words: readonly string[]) {
  const [batch, cin, h, w, cout, k, pad] = words.map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  return {
    x: f32(batch, 1, h, w, cin),
    weight: f32(cout, 1, k, k, cin),
    cin,
    cout,
    k,
    attrs: {
      stride: [1, 1, 1],
      padBefore: [0, pad, pad],
      padAfter: [0, pad, pad],
      dilation: [1, 1, 1],
      groups: 1,
      winograd: 'on',
    },
    flop: 2 * batch * cout * cin * k * k * (h + 2 * pad - k + 1) * (w + 2 * pad - k + 1),
    least: k === 3 && Math.min(cin, cout) >= TRANSFORMED ? 36 / 144 : 1,
  };
}

/** BATCH CIN H W COUT KERNEL PAD, stride 1, with bias: forward, and forward with the gradients of input, weight and bias. */
export const conv: CaseKind = {
  kind: 'conv',
  lines: ['conv/b64_1x28x28_to32_k3 64 1 28 28 32 3 1', 'conv/b64_64x16x16_to64_k3 64 64 16 16 64 3 1'],
  cases: ({ name, words }, threads) => {
    const { x, weight, cout, attrs, flop, least } = planeConv(words);
    const build = (b: Builder, [x, wt, bias]: readonly Value[]): Value =>
      b.one(add, [b.one(convOp, [x!, wt!], attrs), bias!]);
    return forwardAndBackward(name, { flop, least }, [x, weight, f32(cout)], build, threads);
  },
};

import { f32, numel } from '../../base/tensor-type.ts';
import type { Builder } from '../../ir/builder.ts';
import type { Value } from '../../ir/graph.ts';
import { conv as convOp, convInputGrad, convWeightGrad } from '../../ops/conv.ts';
import { add } from '../../ops/elementwise.ts';
import { sum } from '../../ops/reduce.ts';
import type { CaseKind } from '../case.ts';
import { forward, forwardAndBackward, runner } from '../runner.ts';

/** Channels from which on Winograd's transforms pay: a 4 x 4 tile of results then takes 36 products a pair of channels, not 144. */
const TRANSFORMED = 16;
/** The share of the products of a 3x3 convolution on the plane, of stride 1, that are then left. */
const leastOf = (cin: number, cout: number): number => (Math.min(cin, cout) >= TRANSFORMED ? 36 / 144 : 1);

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
    least: k === 3 ? leastOf(cin, cout) : 1,
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

/** Sizes of up to three axes, `56x56`, with `fill` for those in front. */
function threeAxes(text: string, fill: number): readonly [number, number, number] {
  const sizes = text.split('x').map(Number);
  return [fill, fill, fill, ...sizes].slice(-3) as [number, number, number];
}

/** BATCH CIN COUT GROUPS SIZE KERNEL STRIDE PAD DILATION, sizes of one to three axes: forward with bias, and either gradient alone. */
export const convAny: CaseKind = {
  kind: 'conv_any',
  lines: [
    'conv_any/depthwise_56x56x128_s1 8 128 128 128 56x56 3x3 1 1 1',
    'conv_any/stem_224x224x3_k7_s2 4 3 64 1 224x224 7x7 2 3 1',
    'conv_any/1d_1000x64_k5 16 64 64 1 1000 5 1 2 1',
  ],
  cases: ({ name, words }, threads) => {
    const [batch, cin, cout, groups] = words.slice(0, 4).map(Number) as [number, number, number, number];
    const [size, kernel] = [threeAxes(words[4]!, 1), threeAxes(words[5]!, 1)];
    const axes = words[4]!.split('x').length;
    const [stride, pad, dilation] = words.slice(6, 9).map(Number) as [number, number, number];
    const onAxes = (n: number, fill: number): number[] => [0, 1, 2].map((i) => (i + axes < 3 ? fill : n));
    const pads = onAxes(pad, 0);
    const attrs = { stride: onAxes(stride, 1), padBefore: pads, padAfter: pads, dilation: onAxes(dilation, 1), groups };
    const result = size.map((n, i) => {
      const reach = attrs.dilation[i]! * (kernel[i]! - 1) + 1;
      return Math.floor((n + 2 * pads[i]! - reach) / attrs.stride[i]!) + 1;
    });
    const [x, dy] = [f32(batch, ...size, cin), f32(batch, ...result, cout)];
    const weight = f32(cout, ...kernel, cin / groups);
    const given = { ...attrs, winograd: 'on' };
    const graphs = {
      fwd: forward([x, weight, f32(cout)], (b, [x, w, bias]) => b.one(add, [b.one(convOp, [x!, w!], given), bias!])),
      dx: forward([dy, weight], (b, [dy, w]) => b.one(convInputGrad, [dy!, w!], { ...given, size })),
      dw: forward([x, dy], (b, [x, dy]) => [
        b.one(convWeightGrad, [x!, dy!], { ...given, kernel }),
        b.one(sum, [dy!], { axes: 0b1111 }),
      ]),
    };
    const flop = 2 * numel(dy.shape) * (numel(weight.shape) / cout);
    const plane = kernel.join() === '1,3,3' && groups === 1 && stride === 1 && dilation === 1;
    const least = { f32: flop * (plane ? leastOf(cin, cout) : 1), bf16: 0 };
    return Object.entries(graphs).map(([way, graph]) => {
      return { name: `${name}/${way}`, flop, least, items: 0, steps: 1, run: runner(graph, threads) };
    });
  },
};

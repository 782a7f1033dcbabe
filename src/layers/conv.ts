import { Unfit } from '../base/unfit.ts';
import type { ArgDef, Args, LayerDef } from '../ir/layer.ts';
import type { Builder } from '../ir/builder.ts';
import type { Value } from '../ir/graph.ts';
import { add } from '../ops/elementwise.ts';
import { conv as convOp } from '../ops/conv.ts';
import { biasArg, given, initArg, startOf, truth, whole } from './lib/args.ts';
import { fromVolume, spatialAxes, toVolume, triple, windowOf } from './lib/spatial.ts';

const windowArgs = (positionalK: boolean): readonly ArgDef[] => [
  {
    name: 'k',
    doc: 'size of the kernel, one number or one per spatial axis',
    type: { kind: 'wholes', min: 1 },
    default: 3,
    ...(positionalK ? { positional: true } : {}),
  },
  { name: 'stride', doc: 'step between windows', type: { kind: 'wholes', min: 1 }, default: 1 },
  {
    name: 'padding',
    doc: 'same (output ceil(in / stride)), valid (none) or cells on both sides',
    type: { kind: 'wholes', min: 0, names: ['same', 'valid'] },
    default: 'same',
  },
  { name: 'dilation', doc: 'distance between the cells of a window', type: { kind: 'wholes', min: 1 }, default: 1 },
];

function convolve(b: Builder, layer: string, x: Value, out: number, groups: number, args: Args): Value {
  const sizes = spatialAxes(layer, x);
  const channels = x.type.shape.at(-1)!;
  if (channels % groups !== 0 || out % groups !== 0) {
    throw new Unfit(`${layer}: groups must divide both widths`, `multiples of ${groups}`, `${channels} in, ${out} out`);
  }
  const w = windowOf(layer, sizes, {
    k: given(args, 'k'),
    stride: given(args, 'stride'),
    padding: given(args, 'padding'),
    dilation: given(args, 'dilation'),
  });
  const cells = w.kernel.reduce((n, k) => n * k, 1);
  const weight = b.weight('weight', {
    shape: [out, ...triple(w.kernel, 1), channels / groups],
    fanIn: (cells * channels) / groups,
    fanOut: (cells * out) / groups,
    start: startOf(args),
    axes: [out, ...w.kernel, channels / groups],
    groups,
  });
  const y = b.one(convOp, [toVolume(b, x), weight], {
    stride: triple(w.stride, 1),
    padBefore: triple(w.padBefore, 0),
    padAfter: triple(w.padAfter, 0),
    dilation: triple(w.dilation, 1),
    groups,
    winograd: 'on',
  });
  const biased = truth(args, 'bias') ? b.one(add, [y, b.param('bias', [out], { kind: 'constant', value: 0 })]) : y;
  return fromVolume(b, biased, sizes.length);
}

export const conv: LayerDef = {
  kind: 'layer',
  name: 'conv',
  doc: "Convolution, 1-D to 3-D by rank, channels last: [B, ...S, C] -> [B, ...S', out]; weight [out, ...k, C/groups].",
  args: [
    { name: 'out', doc: 'channels of the output', type: { kind: 'whole', min: 1 }, positional: true },
    ...windowArgs(false),
    {
      name: 'groups',
      doc: 'independent groups of channels; divides both widths',
      type: { kind: 'whole', min: 1 },
      default: 1,
    },
    biasArg,
    initArg('he'),
  ],
  takes: 'one',
  weighted: true,
  widths: (args) => (args['groups'] === 1 ? 'out' : null),
  build: (b, [x], args) => convolve(b, 'conv', x!, whole(args, 'out'), whole(args, 'groups'), args),
};

export const dwconv: LayerDef = {
  kind: 'layer',
  name: 'dwconv',
  doc: "Depthwise convolution: every channel has its own kernels: [B, ...S, C] -> [B, ...S', C * multiplier].",
  args: [
    ...windowArgs(true),
    { name: 'multiplier', doc: 'outputs of each channel', type: { kind: 'whole', min: 1 }, default: 1 },
    biasArg,
    initArg('he'),
  ],
  takes: 'one',
  weighted: true,
  build: (b, [x], args) => {
    const channels = x!.type.shape.at(-1)!;
    return convolve(b, 'dwconv', x!, channels * whole(args, 'multiplier'), channels, args);
  },
};

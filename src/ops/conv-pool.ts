import { f32, i32 } from '../base/tensor-type.ts';
import type { TensorType } from '../base/tensor-type.ts';
import { Unfit } from '../base/unfit.ts';
import { defineOp } from '../ir/define-op.ts';
import type { AttrKind, Attrs, OpDef, Sample } from '../ir/op.ts';
import { ACTIVATIONS, activationAttr } from './activation.ts';
import { convAct } from './conv.ts';
import { listOf, nameOf } from './lib/attrs.ts';
import { CONV_CASES } from './lib/conv-cases.ts';
import type { ConvCase } from './lib/conv-cases.ts';
import { CONV_ATTRS, geometry, macs, shared, yShape } from './lib/convolution.ts';
import type { Geometry } from './lib/convolution.ts';
import { products } from './lib/cost.ts';
import { checkPlane } from './lib/spatial.ts';
import { dim, numelAt, shapeAt, showShape } from './lib/types.ts';
import { avgpool, maxpool } from './pool.ts';

type Types = readonly (TensorType | null)[];

/** What may be made of each window, in the order of the kernel. */
export const POOLS = ['max', 'mean'] as const;

const INPUTS = {
  x: 'f32[batch, d, h, w, channels]',
  weight: 'f32[out, kd, kh, kw, inner]',
  'bias?': 'f32[out]',
};
const ATTRS: Readonly<Record<string, AttrKind>> = { ...CONV_ATTRS, activation: activationAttr, window: { u32: 2 } };

/** The pooling by windows [height, width] that touch and do not overlap, as attributes of maxpool and avgpool. */
export const touching = (window: readonly number[]): Attrs => ({
  kernel: [1, ...window],
  stride: [1, ...window],
  padBefore: [0, 0, 0],
  padAfter: [0, 0, 0],
});

const convolved = (inputs: Types, attrs: Attrs): Geometry => geometry(shapeAt(inputs, 0), shapeAt(inputs, 1), attrs);

function pooled(inputs: Types, attrs: Attrs): number[] {
  const [batch, depth, h, w, out] = yShape(convolved(inputs, attrs)) as [number, number, number, number, number];
  const [high, wide] = listOf(attrs, 'window') as [number, number];
  if (high < 1 || wide < 1 || high > h || wide > w)
    throw new Unfit(
      `a window of ${showShape([high, wide])} over ${showShape([h, w])} results`,
      `from [1, 1] to ${showShape([h, w])}`,
      showShape([high, wide]),
    );
  return [batch, depth, Math.floor(h / high), Math.floor(w / wide), out];
}

const inner: NonNullable<OpDef['decompose']> = (b, inputs, attrs) => [
  b.one(convAct, inputs, { ...shared(attrs), activation: attrs['activation']! }),
];

/** Only results under a window are made. */
const cost: OpDef['cost'] = (inputs, outputs, attrs) => {
  const [h, w] = listOf(attrs, 'window') as [number, number];
  const results = numelAt(outputs, 0) * h * w;
  const g = convolved(inputs, attrs);
  const share = Math.round(
    macs(g) /
      Math.max(
        1,
        yShape(g).reduce((a, b) => a * b, 1),
      ),
  );
  return products(results * share, results + (inputs[2] ? results : 0));
};

// The cases whose results hold a window, each with another activation and window, odd rests among them.
const WINDOWS = [
  [2, 2],
  [1, 2],
  [3, 2],
  [2, 1],
  [4, 4],
  [1, 1],
] as const;
const MORE: readonly ConvCase[] = [5, 9].flatMap((i) => {
  const c = CONV_CASES[i]!;
  return [{ ...c, x: f32(3, 1, 13, 17, dim(c.x.shape, 4)) }];
});
const samplesOf = (activations: readonly string[], more: (i: number) => Attrs): readonly Sample[] =>
  [...CONV_CASES, ...MORE].flatMap(({ x, w, attrs }, i): Sample[] => {
    const [, , h, width] = yShape(geometry(x.shape, w.shape, attrs));
    const window = [...WINDOWS.slice(i % WINDOWS.length), ...WINDOWS].find(([a, b]) => a <= h! && b <= width!)!;
    const bias = i % 3 === 2 ? null : f32(dim(w.shape, 0));
    const activation = activations[(i + 1) % activations.length]!;
    return [{ inputs: [x, w, bias], attrs: { ...attrs, activation, window, ...more(i) } }];
  });

export const convPool = defineOp({
  name: 'conv_pool',
  doc: 'The largest or the mean of each window [height, width] of conv_act, windows touching: its own results are never in memory.',
  inputs: INPUTS,
  outputs: { y: 'f32[batch, yd, yh, yw, out]' },
  attrs: { ...ATTRS, pool: { oneOf: POOLS } },
  infer: (inputs, attrs) => [f32(...pooled(inputs, attrs))],
  decompose: (b, inputs, attrs) => {
    const y = inner(b, inputs, attrs)[0]!;
    const op = nameOf(attrs, 'pool') === 'max' ? maxpool : avgpool;
    return [b.one(op, [y], touching(listOf(attrs, 'window')))];
  },
  cost,
  samples: samplesOf(ACTIVATIONS, (i) => ({ pool: POOLS[i % 2]! })),
});

export const convMaxpool = defineOp({
  name: 'conv_maxpool',
  doc: 'conv_pool of the largest, and where each stands in its example, as maxpool says it.',
  inputs: INPUTS,
  outputs: { y: 'f32[batch, yd, yh, yw, out]', index: 'i32[batch, yd, yh, yw, out]' },
  attrs: ATTRS,
  infer: (inputs, attrs) => {
    const y = pooled(inputs, attrs);
    checkPlane('conv_maxpool', convolved(inputs, attrs).outputs);
    return [f32(...y), i32(...y)];
  },
  decompose: (b, inputs, attrs) => {
    const y = inner(b, inputs, attrs)[0]!;
    return b.apply(maxpool, [y], touching(listOf(attrs, 'window')));
  },
  cost,
  // Where others saturate the places of equal numbers depend on rounding.
  samples: samplesOf(['none', 'relu'], () => ({})),
});

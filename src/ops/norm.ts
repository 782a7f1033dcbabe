import { f32, numel } from '../base/tensor-type.ts';
import type { Builder } from '../ir/builder.ts';
import { defineOp } from '../ir/define-op.ts';
import type { Value } from '../ir/graph.ts';
import type { GradContext, NdArray } from '../ir/op.ts';
import { add, affine, mul, rsqrt, square, sub } from './elementwise.ts';
import { numberOf } from './lib/attrs.ts';
import { perInput } from './lib/cost.ts';
import { ndArray } from './lib/nd.ts';
import { arrayAt, dim } from './lib/types.ts';
import { broadcastTo, sumOver } from './reduce.ts';
import { reshape } from './shape.ts';

// Rounded to f32, as kernels have it.
const EPS = Math.fround(1e-5);
const FLOPS = 8;
const BACKWARD_FLOPS = 16;

const LAYERNORM_SHAPES: readonly (readonly number[])[] = [
  [5],
  [3, 1],
  [0, 4],
  ...[2, 15, 16, 17, 31, 33, 63, 65].map((width) => [3, width]),
  [2, 3, 128],
  [2, 3, 2, 5],
  [801, 129],
];
const BATCHNORM_SHAPES: readonly (readonly [number, number])[] = [
  [1, 3],
  [2, 1],
  [7, 0],
  ...[3, 15, 16, 17, 31, 33, 63, 65].map((width) => [9, width] as const),
  [1503, 6],
  [801, 129],
];

const scaled = (b: Builder, x: Value, scale: number): Value => b.one(affine, [x], { scale, shift: 0 });
const times = (b: Builder, ...factors: readonly Value[]): Value => factors.reduce((x, y) => b.one(mul, [x, y]));
const shaped = (b: Builder, x: Value, dims: readonly number[]): Value => b.one(reshape, [x], { dims });
const withBias = (b: Builder, x: Value, scale: Value, shift: Value): Value => b.one(add, [times(b, x, scale), shift]);

const lastAxis = (x: Value): number => 1 << (x.type.shape.length - 1);
const allButLast = (x: Value): number => lastAxis(x) - 1;
/** Number of elements that share a statistic when the axes of the mask are reduced. */
const countOf = (x: Value, axes: number): number => x.type.shape.reduce((n, d, i) => ((axes >>> i) & 1 ? n * d : n), 1);
const meanOver = (b: Builder, x: Value, axes: number): Value => scaled(b, sumOver(b, x, axes), 1 / countOf(x, axes));
/** `[…lead]` as `[…lead, 1]`. */
const column = (b: Builder, x: Value): Value => shaped(b, x, [...x.type.shape, 1]);
const total = (b: Builder, x: Value): Value => shaped(b, sumOver(b, x, allButLast(x)), [x.type.shape.at(-1)!]);
/** 1/√(variance + eps) */
const inverseDeviation = (b: Builder, variance: Value, eps: number): Value =>
  b.one(rsqrt, [b.one(affine, [variance], { scale: 1, shift: eps })]);

interface Normalised {
  readonly centred: Value;
  readonly mean: Value;
  readonly variance: Value;
}
function centre(b: Builder, x: Value, axes: number): Normalised {
  const mean = meanOver(b, x, axes);
  const centred = b.one(sub, [x, mean]);
  return { centred, mean, variance: meanOver(b, b.one(square, [centred]), axes) };
}

/** rstd·(dn − mean(dn) − n·mean(dn·n)) for n = (x − mean)·rstd: gradient of the normalised value, statistics included. */
function throughStatistics(b: Builder, dn: Value, n: Value, rstd: Value, axes: number): Value {
  const along = b.one(mul, [n, meanOver(b, times(b, dn, n), axes)]);
  return times(b, b.one(sub, [b.one(sub, [dn, meanOver(b, dn, axes)]), along]), rstd);
}

const repeated = (b: Builder, x: Value, dims: readonly number[]): Value => b.one(broadcastTo, [x], { dims });
const plus = (b: Builder, x: Value | null, y: Value | null): Value | null => (x && y ? b.one(add, [x, y]) : (x ?? y));

// Layer normalisation

// y alone has a fused gradient; where the statistics were used too (second derivatives), their parts are added.
function layernormGradients(g: GradContext): readonly (Value | null)[] {
  const b = g.builder;
  const [dy, dMean, dRstd] = [g.dOutput(0), g.dOutput(1), g.dOutput(2)];
  const fused = dy && b.apply(layernormGrad, [g.input(0), g.input(1), g.output(1), g.output(2), dy, null]);
  let dx = fused?.[0] ?? null;
  const width = g.inputType(1).shape[0]!;
  // mean = Σx/c; rstd = (Σ(x − mean)²/c + eps)^(−1/2), so drstd/dx = −rstd³·(x − mean)/c
  const shape = g.inputType(0).shape;
  if (dMean) dx = plus(b, dx, repeated(b, column(b, scaled(b, dMean, 1 / width)), shape));
  if (dRstd) {
    const rstd = g.output(2);
    const slope = scaled(b, times(b, dRstd, rstd, b.one(square, [rstd])), -1 / width);
    dx = plus(b, dx, times(b, b.one(sub, [g.input(0), column(b, g.output(1))]), column(b, slope)));
  }
  return [dx, fused?.[1] ?? null, fused?.[2] ?? null];
}

export const layernorm = defineOp({
  name: 'layernorm',
  doc: 'Layer normalisation over the last axis (Ba et al. 2016): y = (x − mean)·rstd·scale + shift with rstd = 1/√(variance + eps), the variance biased.',
  inputs: { x: 'f32[...lead, c]', scale: 'f32[c]', shift: 'f32[c]' },
  outputs: { y: 'f32[...lead, c]', mean: 'f32[...lead]', rstd: 'f32[...lead]' },
  attrs: { eps: 'f32' },
  rowLocal: 'leading',
  grad: layernormGradients,
  decompose: (b, [x, scale, shift], attrs) => {
    const lead = x!.type.shape.slice(0, -1);
    const { centred, mean, variance } = centre(b, x!, lastAxis(x!));
    const rstd = inverseDeviation(b, variance, numberOf(attrs, 'eps'));
    const y = withBias(b, times(b, centred, rstd), scale!, shift!);
    return [y, shaped(b, mean, lead), shaped(b, rstd, lead)];
  },
  cost: perInput(FLOPS),
  reference: (inputs, attrs) => {
    const [x, scale, shift] = [0, 1, 2].map((i) => arrayAt(inputs, i)) as [NdArray, NdArray, NdArray];
    const width = scale.data.length;
    const lead = x.shape.slice(0, -1);
    const [y, mean, rstd] = [ndArray(x.shape), ndArray(lead), ndArray(lead)];
    for (let row = 0; row < numel(lead); row++) {
      const values = x.data.subarray(row * width, (row + 1) * width);
      const { average, variance } = momentsOf(values);
      mean.data[row] = average;
      rstd.data[row] = 1 / Math.sqrt(variance + numberOf(attrs, 'eps'));
      values.forEach((v, c) => {
        y.data[row * width + c] = (v - average) * rstd.data[row]! * scale.data[c]! + shift.data[c]!;
      });
    }
    return [y, mean, rstd];
  },
  samples: LAYERNORM_SHAPES.map((lead) => {
    const width = lead.at(-1)!;
    return { inputs: [f32(...lead), f32(width), f32(width)], attrs: { eps: EPS } };
  }),
});

function momentsOf(values: Float64Array): { readonly average: number; readonly variance: number } {
  const average = values.reduce((sum, v) => sum + v, 0) / values.length;
  return { average, variance: values.reduce((sum, v) => sum + (v - average) ** 2, 0) / values.length };
}

export const layernormGrad = defineOp({
  name: 'layernorm_grad',
  doc: 'Gradient of layernorm through y, from x and the statistics that layernorm gave. more is another gradient of x, added to dx.',
  inputs: {
    x: 'f32[...lead, c]',
    scale: 'f32[c]',
    mean: 'f32[...lead]',
    rstd: 'f32[...lead]',
    dy: 'f32[...lead, c]',
    'more?': 'f32[...lead, c]',
  },
  outputs: { dx: 'f32[...lead, c]', dScale: 'f32[c]', dShift: 'f32[c]' },
  attrs: {},
  decompose: (b, [x, scale, mean, rstd, dy, more]) => {
    const factor = column(b, rstd!);
    const normal = times(b, b.one(sub, [x!, column(b, mean!)]), factor);
    const dx = throughStatistics(b, times(b, dy!, scale!), normal, factor, lastAxis(x!));
    return [more ? b.one(add, [dx, more]) : dx, total(b, times(b, dy!, normal)), total(b, dy!)];
  },
  cost: perInput(BACKWARD_FLOPS),
  samples: LAYERNORM_SHAPES.flatMap((shape) => {
    const [lead, width] = [shape.slice(0, -1), shape.at(-1)!];
    const inputs = [f32(...shape), f32(width), f32(...lead), f32(...lead), f32(...shape)];
    const fill = ['normal', 'normal', 'normal', 'positive', 'normal', 'normal'] as const;
    return [null, f32(...shape)].map((more) => ({ inputs: [...inputs, more], fill }));
  }),
  inPlace: [5],
});

// Batch normalisation

// As for layernorm: the fused gradient is that through y; uses of the statistics add theirs.
function batchnormGradients(g: GradContext): readonly (Value | null)[] {
  const b = g.builder;
  const [dy, dMean, dVariance] = [g.dOutput(0), g.dOutput(1), g.dOutput(2)];
  const fused = dy && b.apply(batchnormGrad, [g.input(0), g.input(1), g.output(1), g.output(2), dy], g.attrs);
  let dx = fused?.[0] ?? null;
  const rows = dim(g.inputType(0).shape, 0);
  if (dMean) dx = plus(b, dx, repeated(b, scaled(b, dMean, 1 / rows), g.inputType(0).shape));
  if (dVariance) {
    const centred = b.one(sub, [g.input(0), g.output(1)]);
    dx = plus(b, dx, times(b, centred, scaled(b, dVariance, 2 / rows)));
  }
  return [dx, fused?.[1] ?? null, fused?.[2] ?? null];
}

export const batchnorm = defineOp({
  name: 'batchnorm',
  doc: 'Batch normalisation with the statistics of the batch (Ioffe and Szegedy 2015): y = (x − mean)/√(variance + eps)·scale + shift over the rows, the variance biased.',
  inputs: { x: 'f32[rows, c]', scale: 'f32[c]', shift: 'f32[c]' },
  outputs: { y: 'f32[rows, c]', mean: 'f32[c]', variance: 'f32[c]' },
  attrs: { eps: 'f32' },
  grad: batchnormGradients,
  decompose: (b, [x, scale, shift], attrs) => {
    const channels = scale!.type.shape;
    const { centred, mean, variance } = centre(b, x!, 1);
    const rstd = inverseDeviation(b, variance, numberOf(attrs, 'eps'));
    const y = withBias(b, times(b, centred, rstd), scale!, shift!);
    return [y, shaped(b, mean, channels), shaped(b, variance, channels)];
  },
  cost: perInput(FLOPS),
  reference: (inputs, attrs) => {
    const [x, scale, shift] = [0, 1, 2].map((i) => arrayAt(inputs, i)) as [NdArray, NdArray, NdArray];
    const width = scale.data.length;
    const [y, mean, variance] = [ndArray(x.shape), ndArray([width]), ndArray([width])];
    for (let c = 0; c < width; c++) {
      const values = x.data.filter((_, i) => i % width === c);
      const moments = momentsOf(values);
      mean.data[c] = moments.average;
      variance.data[c] = moments.variance;
      const rstd = 1 / Math.sqrt(moments.variance + numberOf(attrs, 'eps'));
      values.forEach((v, row) => {
        y.data[row * width + c] = (v - moments.average) * rstd * scale.data[c]! + shift.data[c]!;
      });
    }
    return [y, mean, variance];
  },
  samples: BATCHNORM_SHAPES.map(([rows, width]) => ({
    inputs: [f32(rows, width), f32(width), f32(width)],
    attrs: { eps: EPS },
  })),
});

export const batchnormGrad = defineOp({
  name: 'batchnorm_grad',
  doc: 'Gradient of batchnorm through y (the statistics vary with x), from x and the statistics that batchnorm gave.',
  inputs: { x: 'f32[rows, c]', scale: 'f32[c]', mean: 'f32[c]', variance: 'f32[c]', dy: 'f32[rows, c]' },
  outputs: { dx: 'f32[rows, c]', dScale: 'f32[c]', dShift: 'f32[c]' },
  attrs: { eps: 'f32' },
  decompose: (b, [x, scale, mean, variance, dy], attrs) => {
    const rstd = inverseDeviation(b, variance!, numberOf(attrs, 'eps'));
    const normal = times(b, b.one(sub, [x!, mean!]), rstd);
    const dx = throughStatistics(b, times(b, dy!, scale!), normal, rstd, 1);
    return [dx, total(b, times(b, dy!, normal)), total(b, dy!)];
  },
  cost: perInput(BACKWARD_FLOPS),
  samples: BATCHNORM_SHAPES.map(([rows, width]) => ({
    inputs: [f32(rows, width), f32(width), f32(width), f32(width), f32(rows, width)],
    attrs: { eps: rows > 2 ? EPS : 0.125 },
    fill: ['normal', 'normal', 'normal', 'positive', 'normal'],
  })),
});

export const batchnormInfer = defineOp({
  name: 'batchnorm_infer',
  doc: 'Batch normalisation with given (running) statistics: (x − mean)/√(variance + eps)·scale + shift.',
  inputs: { x: 'f32[rows, c]', scale: 'f32[c]', shift: 'f32[c]', mean: 'f32[c]', variance: 'f32[c]' },
  outputs: { y: 'f32[rows, c]' },
  attrs: { eps: 'f32' },
  decompose: (b, [x, scale, shift, mean, variance], attrs) => {
    const rstd = inverseDeviation(b, variance!, numberOf(attrs, 'eps'));
    return [withBias(b, times(b, b.one(sub, [x!, mean!]), rstd), scale!, shift!)];
  },
  cost: perInput(FLOPS),
  samples: [[0, 5] as const, ...BATCHNORM_SHAPES].map(([rows, width]) => ({
    inputs: [f32(rows, width), f32(width), f32(width), f32(width), f32(width)],
    attrs: { eps: EPS },
    fill: ['normal', 'normal', 'normal', 'normal', 'positive'],
  })),
});

import type { Builder } from '../ir/builder.ts';
import type { ArgDef, LayerDef } from '../ir/layer.ts';
import type { Value } from '../ir/graph.ts';
import { add, mul, rsqrt, square } from '../ops/elementwise.ts';
import { affine } from '../ops/elementwise.ts';
import { batchnorm as batchnormOp, batchnormInfer, layernorm as layernormOp } from '../ops/norm.ts';
import { sum } from '../ops/reduce.ts';
import { whole } from './lib/args.ts';
import { featuresOf } from './lib/features.ts';
import { fromRows, scaled, toRows } from './lib/rows.ts';

const epsArg = (value: number): ArgDef => ({
  name: 'eps',
  doc: 'added to the variance',
  type: { kind: 'real', min: 0, max: 1, openMin: true },
  default: value,
});

const one = { kind: 'constant', value: 1 } as const;
const zero = { kind: 'constant', value: 0 } as const;

export const layernorm: LayerDef = {
  kind: 'layer',
  name: 'layernorm',
  doc: 'Layer normalisation over the last axis (Ba et al. 2016).',
  args: [epsArg(1e-5)],
  takes: 'one',
  weighted: true,
  widths: () => 'kept',
  build: (b, [x], args) => {
    const width = featuresOf('layernorm', x!);
    const scale = b.param('scale', [width], one);
    const shift = b.param('shift', [width], zero);
    return b.one(layernormOp, [x!, scale, shift], { eps: whole(args, 'eps') });
  },
};

export const rmsnorm: LayerDef = {
  kind: 'layer',
  name: 'rmsnorm',
  doc: 'Root-mean-square normalisation over the last axis (Zhang and Sennrich 2019): no centring, no shift.',
  args: [epsArg(1e-6)],
  takes: 'one',
  weighted: true,
  widths: () => 'kept',
  build: (b, [x], args) => {
    const width = featuresOf('rmsnorm', x!);
    const rank = x!.type.shape.length;
    const total = b.one(sum, [b.one(square, [x!])], { axes: 1 << (rank - 1) });
    const inverse = b.one(rsqrt, [b.one(affine, [total], { scale: 1 / width, shift: whole(args, 'eps') })]);
    return b.one(mul, [b.one(mul, [x!, inverse]), b.param('scale', [width], one)]);
  },
};

// next = momentum * running + (1 - momentum) * batch
function track(b: Builder, running: Value, batch: Value, momentum: number): void {
  b.update(running, b.one(add, [scaled(b, running, momentum), scaled(b, batch, 1 - momentum)]));
}

export const batchnorm: LayerDef = {
  kind: 'layer',
  name: 'batchnorm',
  doc: 'Batch normalisation over all axes but the last (Ioffe and Szegedy 2015); running statistics serve inference.',
  args: [
    {
      name: 'momentum',
      doc: 'share of the old running statistics that a step keeps',
      type: { kind: 'real', min: 0, max: 1 },
      default: 0.9,
    },
    epsArg(1e-5),
  ],
  takes: 'one',
  weighted: true,
  widths: () => 'kept',
  build: (b, [x], args) => {
    const width = featuresOf('batchnorm', x!);
    const eps = whole(args, 'eps');
    const scale = b.param('scale', [width], one);
    const shift = b.param('shift', [width], zero);
    const runningMean = b.state('mean', [width], zero);
    const runningVariance = b.state('variance', [width], one);
    const rows = toRows(b, x!);
    if (b.mode === 'infer') {
      return fromRows(b, b.one(batchnormInfer, [rows, scale, shift, runningMean, runningVariance], { eps }), x!);
    }
    const [y, mean, variance] = b.apply(batchnormOp, [rows, scale, shift], { eps });
    track(b, runningMean, mean!, whole(args, 'momentum'));
    track(b, runningVariance, variance!, whole(args, 'momentum'));
    return fromRows(b, y!, x!);
  },
};

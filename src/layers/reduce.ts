import { Unfit } from '../base/unfit.ts';
import { showType } from '../base/tensor-type.ts';
import type { Builder } from '../ir/builder.ts';
import type { LayerDef } from '../ir/layer.ts';
import type { Value } from '../ir/graph.ts';
import { maxReduce } from '../ops/max-reduce.ts';
import { sum } from '../ops/reduce.ts';
import { reshape } from '../ops/shape.ts';
import { whole } from './lib/args.ts';
import { scaled } from './lib/rows.ts';

function without(b: Builder, reduced: Value, axes: readonly number[]): Value {
  const dims = reduced.type.shape.filter((_, i) => !axes.includes(i));
  return b.one(reshape, [reduced], { dims });
}

function meanOver(b: Builder, x: Value, axes: readonly number[]): Value {
  const count = axes.reduce((n, a) => n * x.type.shape[a]!, 1);
  const mask = axes.reduce((m, a) => m | (1 << a), 0);
  return scaled(b, without(b, b.one(sum, [x], { axes: mask }), axes), 1 / count);
}

function axisOf(layer: string, x: Value, axis: number): number {
  if (axis >= x.type.shape.length) {
    throw new Unfit(
      `${layer}: there is no axis ${axis}`,
      `an axis from 1 to ${x.type.shape.length - 1}`,
      showType(x.type, true),
    );
  }
  return axis;
}

const axisArg = {
  name: 'axis',
  doc: 'the axis to drop; 0 is the batch and not allowed',
  type: { kind: 'whole', min: 1 },
  positional: true,
} as const;

export const mean: LayerDef = {
  kind: 'layer',
  name: 'mean',
  doc: 'Mean over one axis, which is dropped.',
  args: [axisArg],
  takes: 'one',
  weighted: false,
  build: (b, [x], args) => meanOver(b, x!, [axisOf('mean', x!, whole(args, 'axis'))]),
};

export const max: LayerDef = {
  kind: 'layer',
  name: 'max',
  doc: 'Maximum over one axis, which is dropped.',
  args: [axisArg],
  takes: 'one',
  weighted: false,
  build: (b, [x], args) => {
    const axis = axisOf('max', x!, whole(args, 'axis'));
    return without(b, b.one(maxReduce, [x!], { axes: 1 << axis }), [axis]);
  },
};

export const globalmean: LayerDef = {
  kind: 'layer',
  name: 'globalmean',
  doc: 'Mean over all spatial axes: [B, ...S, C] -> [B, C].',
  args: [],
  takes: 'one',
  weighted: false,
  widths: () => 'kept',
  build: (b, [x]) => {
    const rank = x!.type.shape.length;
    if (rank < 3) throw new Unfit('globalmean needs spatial axes', '[B, ...S, C]', showType(x!.type, true));
    return meanOver(
      b,
      x!,
      Array.from({ length: rank - 2 }, (_, i) => i + 1),
    );
  },
};

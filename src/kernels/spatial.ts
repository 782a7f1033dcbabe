import { showType } from '../base/tensor-type.ts';
import type { Builder } from '../ir/builder.ts';
import type { Value } from '../ir/graph.ts';
import type { Attrs } from '../ir/op.ts';
import { reshape } from '../ops/shape.ts';
import { option, readWhole, readWholes } from './args.ts';
import { badShape } from './error.ts';

const MOST_PADDED = 2 ** 31;

type PerAxis = number | readonly number[];

/** Options of a convolution: a whole number, or one per spatial axis; how many axes there are is known later. */
const perAxis = (min: number) =>
  option<PerAxis, PerAxis>({
    read: (value, argument) =>
      Array.isArray(value) ? readWholes(value, argument, value.length, min) : readWhole(min)(value, argument),
    default: min,
  });
export const WINDOW = {
  /** Cells from a position to the next, one number or one an axis. Default 1. */
  stride: perAxis(1),
  /** Zeros on both sides, one number or one an axis. Default 0. */
  padding: perAxis(0),
  /** Cells from a tap to the next, one number or one an axis. Default 1. */
  dilation: perAxis(1),
};

/** How many spatial axes [B, …S, C] has: one to three. */
export function spatialAxes(x: Value): number {
  const axes = x.type.shape.length - 2;
  if (axes < 1 || axes > 3) throw badShape('x', 'f32[B, …S, C] with 1 to 3 axes S', showType(x.type));
  return axes;
}

/** The attributes of an op, which sees three spatial axes. */
export function convAttrs(
  options: { readonly stride: unknown; readonly padding: unknown; readonly dilation: unknown },
  axes: number,
  groups = 1,
): Attrs {
  const read = (name: keyof typeof options, fill: number, min: number): readonly number[] => [
    ...new Array<number>(3 - axes).fill(fill),
    ...readWholes(options[name], name, axes, min),
  ];
  const pad = read('padding', 0, 0);
  const [stride, dilation] = [read('stride', 1, 1), read('dilation', 1, 1)];
  return { stride, padBefore: pad, padAfter: pad, dilation, groups, winograd: 'on' };
}

/**
 * Names what does not fit of a convolution of x [B, …S, C] by windows of these sizes along S; `argument` has the windows. Throws TenonError.
 */
export function checkWindow(x: Value, argument: Value, name: string, sizes: readonly number[], attrs: Attrs): void {
  const axes = sizes.length;
  sizes.forEach((size, i) => {
    if (size < 1) throw badShape(name, 'windows of at least 1 along every axis', showType(argument.type));
    const of = (key: string): number => (attrs[key] as readonly number[])[3 - axes + i]!;
    const padded = x.type.shape[i + 1]! + of('padBefore') + of('padAfter');
    const span = of('dilation') * (size - 1) + 1;
    if (padded < span) {
      const axis = axes === 1 ? 'S' : `axis ${i + 1}`;
      throw badShape(
        'x',
        `at least ${span} along ${axis} with its padding, for a window`,
        `${showType(x.type)}, ${padded} there`,
      );
    }
    if (padded > MOST_PADDED) throw badShape('padding', 'at most 2^31 numbers along an axis', String(padded));
  });
}

/** `axes` spatial axes from axis `at` on become three, leading ones of size 1. */
export function toThree(b: Builder, value: Value, at: number, axes: number): Value {
  const { shape } = value.type;
  const dims = [...shape.slice(0, at), ...new Array<number>(3 - axes).fill(1), ...shape.slice(at)];
  return axes === 3 ? value : b.one(reshape, [value], { dims });
}

/** [B, d, h, w, C] with `axes` spatial axes again. */
export function fromThree(b: Builder, y: Value, axes: number): Value {
  const { shape } = y.type;
  return axes === 3 ? y : b.one(reshape, [y], { dims: [shape[0]!, ...shape.slice(4 - axes)] });
}

import { Unfit } from '../../base/unfit.ts';
import { showType } from '../../base/tensor-type.ts';
import type { ArgValue } from '../../ir/layer.ts';
import type { Builder } from '../../ir/builder.ts';
import type { Value } from '../../ir/graph.ts';
import { reshape } from '../../ops/shape.ts';

/** Ops see three spatial axes; images and sequences have leading ones of size 1. */
export type Triple = readonly [number, number, number];

/** The spatial axes of `[B, …S, C]`: one to three. */
export function spatialAxes(layer: string, x: Value): readonly number[] {
  const shape = x.type.shape;
  if (shape.length < 3 || shape.length > 5) {
    throw new Unfit(
      `${layer} needs one to three spatial axes`,
      '[B, …S, C] with 1 to 3 axes S',
      showType(x.type, true),
    );
  }
  return shape.slice(1, -1);
}

/** An argument of one number or one per spatial axis. */
export function perAxis(layer: string, name: string, value: ArgValue, axes: number): readonly number[] {
  if (typeof value === 'number') return Array.from({ length: axes }, () => value);
  if (Array.isArray(value)) {
    if (value.length !== axes) {
      throw new Unfit(`${layer}: ${name} has one entry per spatial axis`, `${axes} entries`, `${value.length} entries`);
    }
    return value as readonly number[];
  }
  throw new Error(`bug: ${layer}.${name} is neither a number nor a list`);
}

/** Fills up at the front: [k] -> [fill, fill, k]. */
export function triple(values: readonly number[], fill: number): Triple {
  const all = [...Array.from({ length: 3 - values.length }, () => fill), ...values];
  return [all[0]!, all[1]!, all[2]!];
}

export interface Window {
  readonly kernel: readonly number[];
  readonly stride: readonly number[];
  readonly dilation: readonly number[];
  readonly padBefore: readonly number[];
  readonly padAfter: readonly number[];
  readonly output: readonly number[];
}

/**
 * Where windows lie: `same` gives ceil(in / stride) with the odd cell of padding at the end (ONNX SAME_UPPER), `valid` none, a whole number
 * that much on both sides; output floor((in + pads - d(k-1) - 1) / s) + 1.
 */
export function windowOf(
  layer: string,
  sizes: readonly number[],
  args: { k: ArgValue; stride: ArgValue; padding: ArgValue; dilation: ArgValue },
): Window {
  const kernel = perAxis(layer, 'k', args.k, sizes.length);
  const stride = perAxis(layer, 'stride', args.stride, sizes.length);
  const dilation = perAxis(layer, 'dilation', args.dilation, sizes.length);
  const pads = typeof args.padding === 'string' ? args.padding : perAxis(layer, 'padding', args.padding, sizes.length);
  const padBefore: number[] = [];
  const padAfter: number[] = [];
  const output: number[] = [];
  sizes.forEach((size, i) => {
    const reach = dilation[i]! * (kernel[i]! - 1) + 1;
    let before: number;
    let after: number;
    if (pads === 'same') {
      const total = Math.max(0, (Math.ceil(size / stride[i]!) - 1) * stride[i]! + reach - size);
      before = Math.floor(total / 2);
      after = total - before;
    } else {
      before = after = pads === 'valid' ? 0 : (pads as readonly number[])[i]!;
    }
    const out = Math.floor((size + before + after - reach) / stride[i]!) + 1;
    if (out < 1) {
      throw new Unfit(
        `${layer}: its window is larger than the input`,
        `an axis of at least ${reach - before - after}`,
        `an axis of ${size}`,
      );
    }
    padBefore.push(before);
    padAfter.push(after);
    output.push(out);
  });
  return { kernel, stride, dilation, padBefore, padAfter, output };
}

/** `[B, …S, C]` as `[B, d, h, w, C]`. */
export function toVolume(b: Builder, x: Value): Value {
  const shape = x.type.shape;
  if (shape.length === 5) return x;
  const sizes = triple(shape.slice(1, -1), 1);
  return b.one(reshape, [x], { dims: [shape[0]!, ...sizes, shape.at(-1)!] });
}

/** `[B, d, h, w, C]` back with `axes` spatial axes. */
export function fromVolume(b: Builder, y: Value, axes: number): Value {
  if (axes === 3) return y;
  const shape = y.type.shape;
  return b.one(reshape, [y], { dims: [shape[0]!, ...shape.slice(4 - axes, 4), shape[4]!] });
}

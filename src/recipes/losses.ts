import { Unfit } from '../base/unfit.ts';
import { showType } from '../base/tensor-type.ts';
import type { Builder } from '../ir/builder.ts';
import type { Value } from '../ir/graph.ts';
import { affine, square, sub } from '../ops/elementwise.ts';
import { sum } from '../ops/reduce.ts';
import { reshape } from '../ops/shape.ts';
import { correct, crossEntropy } from '../ops/softmax.ts';

/** A loss over the rows of an output, and the figures that go with it. */
export interface LossDef {
  readonly name: string;
  readonly doc: string;
  readonly args: readonly [];
  /** Whether labels are class indices i32[B] or numbers f32[B, …]. */
  readonly labels: 'classes' | 'numbers';
  /** Figures beside `loss`, and whether more is better. */
  readonly metrics: readonly { readonly name: string; readonly better: 'more' | 'less' }[];
  /** Does the output fit? Throws Unfit. `classes` is null where labels are numbers. */
  readonly check: (output: Value, classes: number | null) => void;
  /** Loss of each row f32[B], and each metric of each row f32[B]. */
  readonly rows: (
    b: Builder,
    output: Value,
    labels: Value,
  ) => { readonly loss: Value; readonly metrics: readonly Value[] };
}

const crossentropy: LossDef = {
  name: 'crossentropy',
  doc: 'softmax cross-entropy of logits against class labels; reports accuracy',
  args: [],
  labels: 'classes',
  metrics: [{ name: 'accuracy', better: 'more' }],
  check: (output, classes) => {
    const shape = output.type.shape;
    if (classes === null) throw new Unfit('crossentropy needs class labels', 'labels that are classes', 'numbers');
    if (shape.length !== 2 || shape[1]! < classes) {
      throw new Unfit('the output does not fit the labels', `f32[B, ${classes}]`, showType(output.type, true));
    }
  },
  rows: (b, output, labels) => ({
    loss: b.one(crossEntropy, [output, labels]),
    metrics: [b.one(correct, [output, labels])],
  }),
};

const mse: LossDef = {
  name: 'mse',
  doc: 'mean squared error against numbers',
  args: [],
  labels: 'numbers',
  metrics: [],
  check: (output, classes) => {
    const shape = output.type.shape;
    if (classes !== null) throw new Unfit('mse needs labels that are numbers', 'numbers', `${classes} classes`);
    if (shape.slice(1).reduce((n, d) => n * d, 1) !== 1) {
      throw new Unfit('the output does not fit the labels', 'f32[B, 1]', showType(output.type, true));
    }
  },
  rows: (b, output, labels) => {
    const flat = b.one(reshape, [output], { dims: [output.type.shape[0]!] });
    return { loss: b.one(square, [b.one(sub, [flat, labels])]), metrics: [] };
  },
};

/** Every loss by name. */
export const LOSSES: ReadonlyMap<string, LossDef> = new Map([crossentropy, mse].map((l) => [l.name, l]));

/** Mean over the rows: f32[B] -> f32[1]. */
export function meanRows(b: Builder, rows: Value): Value {
  return b.one(affine, [b.one(sum, [rows], { axes: 1 })], { scale: 1 / rows.type.shape[0]!, shift: 0 });
}

/** Sum over the rows: f32[B] -> f32[1]. */
export const sumRows = (b: Builder, rows: Value): Value => b.one(sum, [rows], { axes: 1 });

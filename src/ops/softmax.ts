import { f32, i32, numel } from '../base/tensor-type.ts';
import { defineOp } from '../ir/define-op.ts';
import type { Value } from '../ir/graph.ts';
import type { NdArray, Sample } from '../ir/op.ts';
import { mul, sub } from './elementwise.ts';
import { perInput } from './lib/cost.ts';
import { ndArray } from './lib/nd.ts';
import { arrayAt, dim } from './lib/types.ts';
import { fill } from './random.ts';
import { sumOver } from './reduce.ts';
import { reshape } from './shape.ts';

const FLOPS = 6;

const SHAPES: readonly (readonly number[])[] = [
  [1],
  [3, 1],
  [0, 5],
  [3, 0],
  ...[2, 7, 15, 16, 17, 31, 33, 63, 65].map((n) => [3, n]),
  [2, 3, 4],
  [2, 2, 1, 10],
  [7, 1009],
  [1601, 64],
];

const lastAxis = (rank: number): number => 1 << (rank - 1);

/** The rows of a tensor over its last axis. */
function* rowsOf({ shape, data }: NdArray): Generator<readonly [Float64Array, number]> {
  const width = dim(shape, shape.length - 1);
  const rows = numel(shape.slice(0, -1));
  for (let row = 0; row < rows; row++) yield [data.subarray(row * width, (row + 1) * width), row];
}

const largestOf = (row: Float64Array): number => row.reduce((a, b) => Math.max(a, b), -Infinity);

/** log Σ eˣ, the largest taken out first. */
function logSumExp(row: Float64Array): number {
  const largest = largestOf(row);
  return largest + Math.log(row.reduce((sum, x) => sum + Math.exp(x - largest), 0));
}

export const softmax = defineOp({
  name: 'softmax',
  doc: 'eˣ / Σ eˣ over the last axis, the largest x subtracted first.',
  inputs: { x: 'f32[...lead, n]' },
  outputs: { y: 'f32[...lead, n]' },
  attrs: {},
  rowLocal: 'leading',
  grad: (g) => {
    const dy = g.dOutput(0);
    return [dy && g.builder.one(softmaxGrad, [g.output(0), dy])];
  },
  cost: perInput(FLOPS),
  reference: (inputs) => {
    const x = arrayAt(inputs, 0);
    const y = ndArray(x.shape);
    for (const [row, i] of rowsOf(x)) {
      const sum = logSumExp(row);
      row.forEach((v, c) => (y.data[i * row.length + c] = Math.exp(v - sum)));
    }
    return [y];
  },
  samples: SHAPES.map((shape) => ({ inputs: [f32(...shape)] })),
});

export const softmaxGrad = defineOp({
  name: 'softmax_grad',
  doc: 'Gradient of softmax from its output: y·(dy − Σ dy·y).',
  inputs: { y: 'f32[...lead, n]', dy: 'f32[...lead, n]' },
  outputs: { dx: 'f32[...lead, n]' },
  attrs: {},
  rowLocal: 'leading',
  decompose: (b, [y, dy]) => {
    const along = sumOver(b, b.one(mul, [dy!, y!]), lastAxis(y!.type.shape.length));
    return [b.one(mul, [y!, b.one(sub, [dy!, along])])];
  },
  cost: perInput(4),
  samples: SHAPES.map((shape) => ({ inputs: [f32(...shape), f32(...shape)] })),
});

const labelled = (more: (rows: number) => Sample['inputs']): readonly Sample[] =>
  (
    [
      [1, 1],
      [0, 10],
      [5, 10],
      ...[2, 15, 16, 17, 31, 33, 63, 65].map((classes) => [4, classes] as const),
      [33, 7],
      [5, 1009],
      [10001, 10],
    ] as const
  ).map(([rows, classes]) => ({
    inputs: [f32(rows, classes), i32(rows), ...more(rows)],
    fill: ['normal', `below:${classes}`, 'normal'] as const,
  }));

export const crossEntropy = defineOp({
  name: 'cross_entropy',
  doc: 'Loss of each row in nats: log Σ e^logits − logits[label]. A label outside the classes is an error of the data.',
  inputs: { logits: 'f32[rows, classes]', labels: 'i32[rows]' },
  outputs: { loss: 'f32[rows]' },
  attrs: {},
  rowLocal: 'leading',
  grad: (g) => {
    const dLoss = g.dOutput(0);
    return [dLoss && g.builder.one(crossEntropyGrad, [g.input(0), g.input(1), dLoss]), null];
  },
  cost: perInput(FLOPS),
  reference: (inputs) => {
    const [logits, labels] = [arrayAt(inputs, 0), arrayAt(inputs, 1)];
    const loss = ndArray(labels.shape);
    for (const [row, i] of rowsOf(logits)) loss.data[i] = logSumExp(row) - row[labels.data[i]!]!;
    return [loss];
  },
  samples: labelled(() => []),
});

export const crossEntropyGrad = defineOp({
  name: 'cross_entropy_grad',
  doc: 'Gradient of cross_entropy: (softmax(logits) − onehot(label))·dLoss.',
  inputs: { logits: 'f32[rows, classes]', labels: 'i32[rows]', dLoss: 'f32[rows]' },
  outputs: { dLogits: 'f32[rows, classes]' },
  attrs: {},
  rowLocal: 'leading',
  // With p = softmax(logits): the derivative of p − onehot is that of p, and dLoss multiplies p − onehot, which is this op at dLoss = 1.
  grad: (g) => {
    const dd = g.dOutput(0);
    if (!dd) return [null, null, null];
    const b = g.builder;
    const rows = g.inputType(2).shape;
    const dP = (): Value => b.one(mul, [dd, b.one(reshape, [g.input(2)], { dims: [...rows, 1] })]);
    const one = (): Value => b.one(fill, [], { dims: rows, value: 1 });
    const slope = (): Value => b.one(crossEntropyGrad, [g.input(0), g.input(1), one()]);
    return [
      g.wants(0) ? b.one(softmaxGrad, [b.one(softmax, [g.input(0)]), dP()]) : null,
      null,
      g.wants(2) ? b.one(reshape, [sumOver(b, b.one(mul, [dd, slope()]), 2)], { dims: rows }) : null,
    ];
  },
  cost: perInput(FLOPS),
  reference: (inputs) => {
    const [logits, labels, dLoss] = [arrayAt(inputs, 0), arrayAt(inputs, 1), arrayAt(inputs, 2)];
    const d = ndArray(logits.shape);
    for (const [row, i] of rowsOf(logits)) {
      const sum = logSumExp(row);
      const hot = (c: number): number => (c === labels.data[i] ? 1 : 0);
      row.forEach((v, c) => (d.data[i * row.length + c] = (Math.exp(v - sum) - hot(c)) * dLoss.data[i]!));
    }
    return [d];
  },
  samples: labelled((rows) => [f32(rows)]),
});

export const correct = defineOp({
  name: 'correct',
  doc: '1 where the largest logit, the first of equals, is that of the label, else 0; 0 for a row with NaN.',
  inputs: { logits: 'f32[rows, classes]', labels: 'i32[rows]' },
  outputs: { hit: 'f32[rows]' },
  attrs: {},
  rowLocal: 'leading',
  stopsGradient: true,
  cost: perInput(1),
  reference: (inputs) => {
    const [logits, labels] = [arrayAt(inputs, 0), arrayAt(inputs, 1)];
    const hit = ndArray(labels.shape);
    for (const [row, i] of rowsOf(logits)) {
      const first = row.indexOf(largestOf(row));
      hit.data[i] = first === labels.data[i] && !row.some(Number.isNaN) ? 1 : 0;
    }
    return [hit];
  },
  samples: [...labelled(() => []), { inputs: [f32(40, 5), i32(40)], fill: ['below:3', 'below:5'], note: 'ties' }],
});

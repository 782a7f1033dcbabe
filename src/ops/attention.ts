import { f32, i32 } from '../base/tensor-type.ts';
import type { TensorType } from '../base/tensor-type.ts';
import type { Builder } from '../ir/builder.ts';
import { defineOp } from '../ir/define-op.ts';
import type { Value } from '../ir/graph.ts';
import type { Attrs, Cost, GradContext, NdArray, Sample } from '../ir/op.ts';
import { add, affine, exp, log, mul, sub } from './elementwise.ts';
import { gatherRows } from './gather.ts';
import { numberOf } from './lib/attrs.ts';
import { products } from './lib/cost.ts';
import { ndArray } from './lib/nd.ts';
import { arrayAt, dim, shapeAt } from './lib/types.ts';
import { matmul } from './matmul.ts';
import { maxReduce } from './max-reduce.ts';
import { fill } from './random.ts';
import { sumOver } from './reduce.ts';
import { reshape, slice, transpose, permutation } from './shape.ts';
import { tril } from './tril.ts';

interface Sizes {
  readonly batch: number;
  readonly heads: number;
  readonly queries: number;
  readonly keys: number;
  readonly width: number;
  readonly depth: number;
}

/** Sizes from q, k, v; width and depth are those of one head. */
function sizesOf([q, k, v]: readonly (TensorType | null)[], heads: number): Sizes {
  const [batch, queries, width] = shapeAt([q], 0) as readonly [number, number, number];
  const [keys, depth] = [dim(shapeAt([k], 0), 1), dim(shapeAt([v], 0), 2)];
  return { batch, heads, queries, keys, width: width / heads, depth: depth / heads };
}

function wrong([q, , v]: readonly (TensorType | null)[], heads: number, attrs: Attrs): string | null {
  if (numberOf(attrs, 'causal') > 1) return `causal must be 0 or 1, not ${numberOf(attrs, 'causal')}`;
  const widths = [dim(q!.shape, 2), dim(v!.shape, 2)];
  if (heads > 0 && widths.every((w) => w % heads === 0)) return null;
  return `heads must divide the widths ${widths.join(' and ')}, not be ${heads}`;
}

// Far below any score, and finite: a row all of whose scores are masked stays a number.
const MASKED = 1e30;

const shaped = (b: Builder, x: Value, ...dims: readonly number[]): Value => b.one(reshape, [x], { dims });
const times = (b: Builder, x: Value, y: Value): Value => b.one(mul, [x, y]);
const scaled = (b: Builder, x: Value, scale: number): Value => b.one(affine, [x], { scale, shift: 0 });
const product = (b: Builder, x: Value, y: Value, transA: number, transB: number): Value =>
  b.one(matmul, [x, y], { transA, transB });

/** [batch, tokens, heads·n] -> [batch·heads, tokens, n] */
function split(b: Builder, x: Value, heads: number): Value {
  const [batch, tokens, width] = x.type.shape as readonly [number, number, number];
  const cut = shaped(b, x, batch, tokens, heads, width / heads);
  const turned = b.one(transpose, [cut], { perm: permutation(0, 2, 1, 3) });
  return shaped(b, turned, batch * heads, tokens, width / heads);
}

/** [batch·heads, tokens, n] -> [batch, tokens, heads·n] */
function join(b: Builder, x: Value, heads: number): Value {
  const [count, tokens, n] = x.type.shape as readonly [number, number, number];
  const turned = b.one(transpose, [shaped(b, x, count / heads, heads, tokens, n)], { perm: permutation(0, 2, 1, 3) });
  return shaped(b, turned, count / heads, tokens, heads * n);
}

/** Ones where column <= row, of any size. */
function triangle(b: Builder, rows: number, columns: number): Value {
  const n = Math.max(rows, columns);
  const square = b.one(tril, [b.one(fill, [], { dims: [n, n], value: 1 })], { value: 0 });
  const cut = b.one(slice, [square], { axis: 0, start: 0, size: rows });
  return b.one(slice, [cut], { axis: 1, start: 0, size: columns });
}

/** 1 where a key is below the length of its example: [batch, 1, 1, keys]. */
function withinLengths(b: Builder, lengths: Value, keys: number): Value {
  // Row n of the table has n ones.
  const table = b.one(slice, [triangle(b, keys + 1, keys + 1)], { axis: 1, start: 1, size: keys });
  return shaped(b, b.one(gatherRows, [table, lengths]), dim(lengths.type.shape, 0), 1, 1, keys);
}

/** Scaled and masked scores [batch, heads, queries, keys]. */
function scoresOf(b: Builder, [q, k]: readonly Value[], s: Sizes, attrs: Attrs, lengths: Value | null): Value {
  const raw = scaled(b, product(b, q!, k!, 0, 1), numberOf(attrs, 'scale'));
  const scores = shaped(b, raw, s.batch, s.heads, s.queries, s.keys);
  const masks = [
    ...(numberOf(attrs, 'causal') ? [triangle(b, s.queries, s.keys)] : []),
    ...(lengths ? [withinLengths(b, lengths, s.keys)] : []),
  ];
  if (masks.length === 0) return scores;
  const seen = masks.reduce((x, y) => times(b, x, y));
  return b.one(add, [scores, b.one(affine, [seen], { scale: MASKED, shift: -MASKED })]);
}

/** log Σ e^scores over the keys, 0 where none is seen: [batch, heads, queries, 1]. */
function logSums(b: Builder, scores: Value, lengths: Value | null, keys: number): Value {
  const largest = b.one(maxReduce, [scores], { axes: 8 });
  const sums = sumOver(b, b.one(exp, [b.one(sub, [scores, largest])]), 8);
  const lse = b.one(add, [b.one(log, [sums]), largest]);
  // Every query sees the first key, if any.
  const any = lengths && b.one(slice, [withinLengths(b, lengths, keys)], { axis: 3, start: 0, size: 1 });
  return any ? times(b, lse, any) : lse;
}

const weightsOf = (b: Builder, scores: Value, lse: Value, s: Sizes): Value =>
  shaped(b, b.one(exp, [b.one(sub, [scores, lse])]), s.batch * s.heads, s.queries, s.keys);

function gradientsOf(g: GradContext): readonly (Value | null)[] {
  const b = g.builder;
  const [dy, dLse] = [g.dOutput(0), g.dOutput(1)];
  if (!dy && !dLse) return [null, null, null, null];
  const { causal, scale } = g.attrs as Record<'causal' | 'scale', number>;
  const into = dy ?? b.one(fill, [], { dims: g.outputType(0).shape, value: 0 });
  const inputs = [g.input(0), g.input(1), g.input(2), g.output(0), g.output(1), into, dLse];
  const lengths = g.hasInput(3) ? g.input(3) : null;
  return [...b.apply(attentionGrad, [...inputs, lengths], { causal, scale }), null];
}

/** Multiply-adds of so many products [queries, keys] x width and x depth, and what softmax and scaling add. */
function costOf(s: Sizes, wide: number, deep: number): Cost {
  const scores = s.batch * s.heads * s.queries * s.keys;
  return products(scores * (wide * s.width + deep * s.depth), 7 * scores);
}

/** Calls `visit` with every head's place: its example, its first columns in q or k, and in v. */
function eachHead(s: Sizes, visit: (example: number, head: number) => void): void {
  for (let i = 0; i < s.batch; i++) for (let h = 0; h < s.heads; h++) visit(i, h);
}

const at = (x: NdArray, i: number, row: number, column: number): number =>
  x.data[(i * x.shape[1]! + row) * x.shape[2]! + column]!;

function reference(inputs: readonly (NdArray | null)[], attrs: Attrs): readonly NdArray[] {
  const [q, k, v] = [0, 1, 2].map((i) => arrayAt(inputs, i)) as [NdArray, NdArray, NdArray];
  const heads = numberOf(attrs, 'heads');
  const s = sizesOf(
    [q, k, v].map(({ shape }) => f32(...shape)),
    heads,
  );
  const [y, lse] = [ndArray([s.batch, s.queries, heads * s.depth]), ndArray([s.batch, heads, s.queries])];
  eachHead(s, (i, h) => {
    for (let row = 0; row < s.queries; row++) {
      const length = inputs[3]?.data[i] ?? s.keys;
      const seen = numberOf(attrs, 'causal') ? Math.min(length, row + 1) : length;
      const scores = Float64Array.from({ length: seen }, (_, key) => {
        let sum = 0;
        for (let c = h * s.width; c < (h + 1) * s.width; c++) sum += at(q, i, row, c) * at(k, i, key, c);
        return sum * numberOf(attrs, 'scale');
      });
      const largest = scores.reduce((a, x) => Math.max(a, x), -Infinity);
      const log = seen === 0 ? 0 : largest + Math.log(scores.reduce((a, x) => a + Math.exp(x - largest), 0));
      lse.data[(i * heads + h) * s.queries + row] = log;
      for (let c = h * s.depth; c < (h + 1) * s.depth; c++) {
        let sum = 0;
        scores.forEach((x, key) => (sum += Math.exp(x - log) * at(v, i, key, c)));
        y.data[(i * s.queries + row) * heads * s.depth + c] = sum;
      }
    }
  });
  return [y, lse];
}

/** [batch, heads, queries, keys, width, depth, causal, lengths] */
type Case = readonly [number, number, number, number, number, number, number, boolean];
const CASES: readonly Case[] = [
  [1, 1, 1, 1, 1, 1, 0, false],
  [1, 2, 3, 3, 2, 2, 1, false],
  [2, 2, 3, 4, 3, 2, 0, true],
  [2, 1, 4, 3, 2, 3, 1, true],
  [1, 2, 5, 2, 1, 3, 1, false],
  [0, 2, 3, 3, 2, 2, 0, false],
  [2, 2, 0, 3, 2, 2, 1, false],
  [2, 2, 3, 0, 2, 2, 0, true],
  [1, 3, 2, 2, 0, 5, 0, false],
  [1, 3, 2, 2, 5, 0, 0, false],
  [2, 3, 15, 15, 5, 7, 1, false],
  [1, 2, 16, 17, 16, 16, 0, true],
  [1, 2, 31, 31, 15, 33, 1, true],
  [3, 1, 33, 65, 17, 31, 0, false],
  [2, 4, 64, 64, 32, 32, 1, false],
  [1, 1, 130, 130, 8, 8, 1, false],
  [1, 1, 70, 300, 64, 48, 0, true],
  [1, 2, 257, 129, 9, 16, 1, true],
  [5, 4, 33, 33, 32, 32, 0, true],
  // Keys of a head in shares.
  [1, 1, 520, 530, 5, 3, 1, false],
  [2, 1, 19, 1030, 7, 16, 0, true],
  [1, 3, 1025, 1025, 1, 2, 1, false],
];

const toSample = (
  [batch, heads, queries, keys, width, depth, causal, lengths]: Case,
  more: Partial<Sample> = {},
): Sample => ({
  inputs: [
    f32(batch, queries, heads * width),
    f32(batch, keys, heads * width),
    f32(batch, keys, heads * depth),
    lengths ? i32(batch) : null,
  ],
  attrs: { heads, causal, scale: Math.fround(width > 1 ? 1 / Math.sqrt(width) : 0.75) },
  fill: ['normal', 'normal', 'normal', `below:${keys + 1}`],
  ...more,
});

export const attention = defineOp({
  name: 'attention',
  doc: 'softmax(q·kᵀ·scale)·v for each head (Vaswani et al. 2017), heads side by side in the last axis, without the scores in memory (Dao et al. 2022); lse: log Σ e^score of each row. With causal, query i sees the keys up to i; with lengths, those below the length of its example. A query that sees none gives 0, and its lse is 0. A length above the number of keys is an error of the data.',
  inputs: {
    q: 'f32[batch, queries, width]',
    k: 'f32[batch, keys, width]',
    v: 'f32[batch, keys, depth]',
    'lengths?': 'i32[batch]',
  },
  outputs: { y: 'f32[batch, queries, depth]', lse: 'f32[batch, heads, queries]' },
  attrs: { heads: 'u32', causal: 'u32', scale: 'f32' },
  check: (inputs, attrs) => wrong(inputs, numberOf(attrs, 'heads'), attrs),
  grad: gradientsOf,
  decompose: (b, [q, k, v, lengths], attrs) => {
    const heads = numberOf(attrs, 'heads');
    const s = sizesOf([q!.type, k!.type, v!.type], heads);
    const zeros = (...dims: readonly number[]): Value => b.one(fill, [], { dims, value: 0 });
    if (s.keys === 0) return [zeros(s.batch, s.queries, heads * s.depth), zeros(s.batch, heads, s.queries)];
    const scores = scoresOf(b, [split(b, q!, heads), split(b, k!, heads)], s, attrs, lengths ?? null);
    const lse = logSums(b, scores, lengths ?? null, s.keys);
    const y = join(b, product(b, weightsOf(b, scores, lse, s), split(b, v!, heads), 0, 0), heads);
    return [y, shaped(b, lse, s.batch, heads, s.queries)];
  },
  cost: (inputs, _outputs, attrs) => costOf(sizesOf(inputs, numberOf(attrs, 'heads')), 1, 1),
  reference,
  samples: [
    ...CASES.map((c) => toSample(c)),
    toSample([1, 2, 7, 9, 4, 4, 0, true], { fill: ['normal', 'normal', 'normal', 'below:1'], note: 'no key is seen' }),
  ],
});

export const attentionGrad = defineOp({
  name: 'attention_grad',
  doc: 'Gradient of attention from its inputs and outputs, the weights made anew block by block; dLse is the gradient that flows into lse, where one does.',
  inputs: {
    q: 'f32[batch, queries, width]',
    k: 'f32[batch, keys, width]',
    v: 'f32[batch, keys, depth]',
    y: 'f32[batch, queries, depth]',
    lse: 'f32[batch, heads, queries]',
    dy: 'f32[batch, queries, depth]',
    'dLse?': 'f32[batch, heads, queries]',
    'lengths?': 'i32[batch]',
  },
  outputs: { dq: 'f32[batch, queries, width]', dk: 'f32[batch, keys, width]', dv: 'f32[batch, keys, depth]' },
  attrs: { causal: 'u32', scale: 'f32' },
  check: (inputs, attrs) => wrong(inputs, dim(inputs[4]!.shape, 1), attrs),
  decompose: (b, [q, k, v, y, lse, dy, dLse, lengths], attrs) => {
    const heads = dim(lse!.type.shape, 1);
    const s = sizesOf([q!.type, k!.type, v!.type], heads);
    if (s.keys === 0) return [q, k, v].map((x) => b.one(fill, [], { dims: x!.type.shape, value: 0 }));
    const [qs, ks, vs, dys] = [q, k, v, dy].map((x) => split(b, x!, heads)) as [Value, Value, Value, Value];
    const rows = (x: Value): Value => shaped(b, x, s.batch * heads, s.queries, 1);
    const scores = scoresOf(b, [qs, ks], s, attrs, lengths ?? null);
    const p = weightsOf(b, scores, shaped(b, lse!, s.batch, heads, s.queries, 1), s);
    const along = sumOver(b, times(b, dys, split(b, y!, heads)), 4);
    const delta = dLse ? b.one(sub, [along, rows(dLse)]) : along;
    const ds = scaled(b, times(b, p, b.one(sub, [product(b, dys, vs, 0, 1), delta])), numberOf(attrs, 'scale'));
    const parts = [product(b, ds, ks, 0, 0), product(b, ds, qs, 1, 0), product(b, p, dys, 1, 0)];
    return parts.map((x) => join(b, x, heads));
  },
  cost: (inputs) => costOf(sizesOf(inputs, dim(shapeAt(inputs, 4), 1)), 3, 2),
  samples: CASES.map((c, i) => {
    const { inputs, attrs, fill } = toSample(c);
    const [q, k, v, lengths] = inputs;
    const y = f32(c[0], c[2], c[1] * c[5]);
    const lse = f32(c[0], c[1], c[2]);
    return {
      inputs: [q!, k!, v!, y, lse, y, i % 2 ? lse : null, lengths!],
      attrs: { causal: attrs!['causal']!, scale: attrs!['scale']! },
      fill: ['normal', 'normal', 'normal', 'normal', 'normal', 'normal', 'normal', fill![3]!],
    };
  }),
});

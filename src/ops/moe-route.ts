import { f32, i32 } from '../base/tensor-type.ts';
import type { Builder } from '../ir/builder.ts';
import { defineOp } from '../ir/define-op.ts';
import type { Value } from '../ir/graph.ts';
import type { Attrs, Sample } from '../ir/op.ts';
import { add, affine, div, exp, log, mul, sub } from './elementwise.ts';
import { gatherRows } from './gather.ts';
import { nameOf, numberOf } from './lib/attrs.ts';
import { perInput } from './lib/cost.ts';
import { ndArray } from './lib/nd.ts';
import { arrayAt, dim, shapeAt } from './lib/types.ts';
import { maxReduce } from './max-reduce.ts';
import { fill } from './random.ts';
import { broadcastTo, sumOver } from './reduce.ts';
import { pad, reshape, transpose } from './shape.ts';
import { softmax, softmaxGrad } from './softmax.ts';
import { tril } from './tril.ts';

/** How gates are made of the chosen probabilities: divided by their sum, or as they are. */
export const GATES = ['renorm', 'raw'] as const;
/** Whom an expert without room turns away last: earlier tokens; first choices, then second; likelier ones. */
export const PRIORITIES = ['token', 'choice', 'score'] as const;

const shaped = (b: Builder, x: Value, ...dims: readonly number[]): Value => b.one(reshape, [x], { dims });
const times = (b: Builder, ...factors: readonly Value[]): Value => factors.reduce((x, y) => b.one(mul, [x, y]));
const scaled = (b: Builder, x: Value, scale: number): Value => b.one(affine, [x], { scale, shift: 0 });

/** The rows of the identity that `index` names; index `size` names a row of zeros. */
export function oneHot(b: Builder, index: Value, size: number): Value {
  const lower = b.one(tril, [b.one(fill, [], { dims: [size, size], value: 1 })], { value: 0 });
  const identity = b.one(tril, [b.one(transpose, [lower], { perm: [1, 0, 2, 3, 4, 5, 6, 7] })], { value: 0 });
  return b.one(gatherRows, [b.one(pad, [identity], { axis: 0, before: 0, after: 1 }), index]);
}

/** The experts of a row of logits from the best on: ties to the lower one, NaN last. */
function ranked(row: Float64Array): number[] {
  const score = (e: number): number => (Number.isNaN(row[e]) ? -Infinity : row[e]!);
  const known = (e: number): number => (Number.isNaN(row[e]) ? 1 : 0);
  return [...row.keys()].sort((a, b) => known(a) - known(b) || score(b) - score(a) || a - b);
}

/** The experts that still had room, in the order in which choices are served; else the number of experts. */
function keep(expert: Float64Array, score: Float64Array, experts: number, topK: number, attrs: Attrs) {
  const room = new Float64Array(experts).fill(numberOf(attrs, 'capacity'));
  const rank: Readonly<Record<string, (a: number, b: number) => number>> = {
    token: (a, b) => a - b,
    choice: (a, b) => (a % topK) - (b % topK) || a - b,
    score: (a, b) => score[b]! - score[a]! || a - b,
  };
  const kept = new Float64Array(expert.length).fill(experts);
  for (const c of [...expert.keys()].sort(rank[nameOf(attrs, 'priority')])) {
    const e = expert[c]!;
    if (room[e]! > 0) kept[c] = e;
    room[e]! -= 1;
  }
  return kept;
}

interface Case {
  readonly tokens: number;
  readonly experts: number;
  readonly topK: number;
  readonly attrs?: Attrs;
}
const CASES: readonly Case[] = [
  { tokens: 4, experts: 3, topK: 2 },
  { tokens: 5, experts: 4, topK: 1 },
  { tokens: 5, experts: 4, topK: 4, attrs: { gates: 'raw', zLoss: 0.5 } },
  { tokens: 1, experts: 1, topK: 1, attrs: { balance: 1 } },
  { tokens: 0, experts: 3, topK: 2, attrs: { balance: 1, zLoss: 1 } },
  { tokens: 3, experts: 3, topK: 0, attrs: { balance: 1, zLoss: 1 } },
  { tokens: 3, experts: 0, topK: 0, attrs: { balance: 1 } },
  { tokens: 9, experts: 17, topK: 2, attrs: { balance: 0.5 } },
  { tokens: 12, experts: 5, topK: 2, attrs: { capacity: 3, gates: 'raw', balance: 2, zLoss: 0.25 } },
  { tokens: 12, experts: 5, topK: 2, attrs: { capacity: 3, priority: 'choice' } },
  { tokens: 12, experts: 5, topK: 3, attrs: { capacity: 2, priority: 'score', zLoss: 1 } },
  { tokens: 12, experts: 5, topK: 2, attrs: { capacity: 0 } },
  { tokens: 33, experts: 65, topK: 8, attrs: { balance: 1, zLoss: 1, priority: 'score', capacity: 4 } },
  { tokens: 3001, experts: 9, topK: 2, attrs: { balance: 1, zLoss: 1, gates: 'raw' } },
];
const settings = ({ topK, tokens, attrs }: Case): Attrs => ({
  topK,
  gates: 'renorm',
  priority: 'token',
  capacity: tokens,
  balance: 0,
  zLoss: 0,
  ...attrs,
});

export const moeRoute = defineOp({
  name: 'moe_route',
  doc: 'Keeps the topK best experts of each token: gate is their probability, over its sum (renorm) or as it is (raw). Ties go to the lower expert, NaN is last. kept is expert, or the number of experts where an expert has its capacity already. aux = balance·E·Σ f·P + zLoss·mean(lse²), f the shares of the choices before dropping (Fedus et al. 2021, all choices counted), P the mean probabilities.',
  inputs: { logits: 'f32[tokens, experts]' },
  outputs: {
    gate: 'f32[tokens, topK]',
    expert: 'i32[tokens, topK]',
    kept: 'i32[tokens, topK]',
    aux: 'f32[1]',
  },
  attrs: {
    topK: 'u32',
    capacity: 'u32',
    gates: { oneOf: GATES },
    priority: { oneOf: PRIORITIES },
    balance: 'f32',
    zLoss: 'f32',
  },
  check: (inputs, attrs) => {
    const experts = dim(shapeAt(inputs, 0), 1);
    const topK = numberOf(attrs, 'topK');
    return topK > experts ? `topK is ${topK}, but there are ${experts} experts` : null;
  },
  grad: (g) => {
    const [dGate, dAux] = [g.dOutput(0), g.dOutput(3)];
    if (!dGate && !dAux) return [null];
    const { gates, balance, zLoss } = g.attrs as Record<string, string | number>;
    const attrs = { gates: gates!, balance: balance!, zLoss: zLoss! };
    return [g.builder.one(moeRouteGrad, [g.input(0), g.output(1), dGate, dAux], attrs)];
  },
  cost: perInput(8),
  reference: (inputs, attrs) => {
    const { shape, data } = arrayAt(inputs, 0);
    const [tokens, experts] = [dim(shape, 0), dim(shape, 1)];
    const topK = numberOf(attrs, 'topK');
    const [gate, expert, score] = [0, 1, 2].map(() => ndArray([tokens, topK]));
    const [mean, share] = [new Float64Array(experts), new Float64Array(experts)];
    let squares = 0;
    for (let t = 0; t < tokens; t++) {
      const row = data.subarray(t * experts, (t + 1) * experts);
      const best = ranked(row).slice(0, topK);
      const largest = row.reduce((m, z) => Math.max(m, z), -Infinity);
      const lse = largest + Math.log(row.reduce((sum, z) => sum + Math.exp(z - largest), 0));
      const p = row.map((z) => Math.exp(z - lse));
      const total = nameOf(attrs, 'gates') === 'raw' ? 1 : best.reduce((sum, e) => sum + p[e]!, 0);
      best.forEach((e, j) => {
        expert!.data[t * topK + j] = e;
        score!.data[t * topK + j] = p[e]!;
        gate!.data[t * topK + j] = p[e]! / total;
        share[e]! += 1 / (tokens * topK);
      });
      p.forEach((v, e) => (mean[e]! += v / tokens));
      squares += lse ** 2 / tokens;
    }
    const along = share.reduce((sum, f, e) => sum + f * mean[e]!, 0);
    const aux = experts === 0 ? 0 : numberOf(attrs, 'balance') * experts * along + numberOf(attrs, 'zLoss') * squares;
    const kept = ndArray([tokens, topK], keep(expert!.data, score!.data, experts, topK, attrs));
    return [gate!, expert!, kept, ndArray([1], Float64Array.of(aux))];
  },
  samples: CASES.map((c): Sample => ({ inputs: [f32(c.tokens, c.experts)], attrs: settings(c) })),
});

/** The gradient of the auxiliary losses in the logits, p their probabilities; `chosen` [tokens, topK, experts] is of ones and zeros. */
function auxiliaryGrad(b: Builder, logits: Value, p: Value, chosen: Value, dAux: Value, attrs: Attrs): Value {
  const [tokens, topK, experts] = chosen.type.shape as readonly [number, number, number];
  const perToken = 1 / Math.max(tokens, 1);
  const counts = shaped(b, sumOver(b, chosen, 3), 1, experts);
  const slope = scaled(b, counts, (numberOf(attrs, 'balance') * experts * perToken) / Math.max(tokens * topK, 1));
  const d = shaped(b, dAux, 1, 1);
  const balance = b.one(softmaxGrad, [p, b.one(broadcastTo, [times(b, d, slope)], { dims: [tokens, experts] })]);
  if (experts === 0) return balance;
  const largest = b.one(maxReduce, [logits], { axes: 2 });
  const sum = sumOver(b, b.one(exp, [b.one(sub, [logits, largest])]), 2);
  const lse = b.one(add, [b.one(log, [sum]), largest]);
  return b.one(add, [balance, scaled(b, times(b, p, lse, d), 2 * numberOf(attrs, 'zLoss') * perToken)]);
}

export const moeRouteGrad = defineOp({
  name: 'moe_route_grad',
  doc: 'Gradient of moe_route in the logits, from those of its gates and of its auxiliary loss.',
  inputs: {
    logits: 'f32[tokens, experts]',
    expert: 'i32[tokens, topK]',
    'dGate?': 'f32[tokens, topK]',
    'dAux?': 'f32[1]',
  },
  outputs: { dLogits: 'f32[tokens, experts]' },
  attrs: { gates: { oneOf: GATES }, balance: 'f32', zLoss: 'f32' },
  decompose: (b, [logits, expert, dGate, dAux], attrs) => {
    const [tokens, experts] = logits!.type.shape as readonly [number, number];
    const topK = expert!.type.shape[1]!;
    const p = b.one(softmax, [logits!]);
    const chosen = oneHot(b, expert!, experts); // [tokens, topK, experts]
    const spread = (choices: Value): Value => shaped(b, sumOver(b, times(b, chosen, choices), 2), tokens, experts);
    const parts: Value[] = [];
    if (dGate) {
      const d = shaped(b, dGate, tokens, topK, 1);
      if (nameOf(attrs, 'gates') === 'raw') parts.push(b.one(softmaxGrad, [p, spread(d)]));
      else {
        const picked = sumOver(b, times(b, chosen, shaped(b, p, tokens, 1, experts)), 4);
        const gate = b.one(div, [picked, sumOver(b, picked, 2)]);
        const along = sumOver(b, times(b, gate, d), 2);
        parts.push(spread(times(b, gate, b.one(sub, [d, along]))));
      }
    }
    if (dAux) parts.push(auxiliaryGrad(b, logits!, p, chosen, dAux, attrs));
    const none = (): Value => b.one(fill, [], { dims: [tokens, experts], value: 0 });
    return [parts.length === 0 ? none() : parts.reduce((x, y) => b.one(add, [x, y]))];
  },
  cost: perInput(12),
  samples: CASES.flatMap((c): Sample[] => {
    const { gates, balance, zLoss } = settings(c) as Record<string, string | number>;
    const attrs = { gates: gates!, balance: balance!, zLoss: zLoss! };
    const sample = (dGate: boolean, dAux: boolean): Sample => ({
      inputs: [
        f32(c.tokens, c.experts),
        i32(c.tokens, c.topK),
        dGate ? f32(c.tokens, c.topK) : null,
        dAux ? f32(1) : null,
      ],
      attrs,
      fill: ['normal', `below:${Math.max(c.experts, 1)}`, 'normal', 'normal'],
    });
    return c.tokens === 12 ? [sample(true, true), sample(true, false), sample(false, true)] : [sample(true, true)];
  }),
});

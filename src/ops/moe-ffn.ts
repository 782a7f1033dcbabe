import { f32, i32 } from '../base/tensor-type.ts';
import type { Shape, TensorType } from '../base/tensor-type.ts';
import type { Builder } from '../ir/builder.ts';
import { defineOp } from '../ir/define-op.ts';
import type { Value } from '../ir/graph.ts';
import type { Attrs, Cost, GradContext, Sample } from '../ir/op.ts';
import { ACTIVATIONS, activate, activationAttr, activationFlops, activationGradient } from './activation.ts';
import { add, mul } from './elementwise.ts';
import { nameOf, numberOf } from './lib/attrs.ts';
import { products } from './lib/cost.ts';
import { numelAt, shapeAt } from './lib/types.ts';
import { matmul } from './matmul.ts';
import { oneHot } from './moe-route.ts';
import { fill } from './random.ts';
import { broadcastTo, sumOver } from './reduce.ts';
import { concat, reshape, slice } from './shape.ts';

const shaped = (b: Builder, x: Value, ...dims: readonly number[]): Value => b.one(reshape, [x], { dims });
const times = (b: Builder, x: Value, y: Value): Value => b.one(mul, [x, y]);
const plus = (b: Builder, x: Value | null, y: Value | null): Value | null => (x && y ? b.one(add, [x, y]) : (x ?? y));

/** The choices one below another, `chosen` [choices, experts] of ones and zeros, all zeros where a choice was dropped. */
interface Choices {
  readonly tokens: number;
  readonly topK: number;
  readonly experts: number;
  readonly chosen: Value;
}

function choicesOf(b: Builder, expert: Value, experts: number): Choices {
  const [tokens, topK] = expert.type.shape as readonly [number, number];
  const chosen = oneHot(b, shaped(b, expert, tokens * topK), experts);
  return { tokens, topK, experts, chosen };
}

/** [tokens, width] -> [choices, width] */
function repeatTokens(b: Builder, { tokens, topK }: Choices, x: Value): Value {
  const width = x.type.shape[1]!;
  const repeated = b.one(broadcastTo, [shaped(b, x, tokens, 1, width)], { dims: [tokens, topK, width] });
  return shaped(b, repeated, tokens * topK, width);
}

/** The adjoint of it. */
function addChoices(b: Builder, { tokens, topK }: Choices, x: Value): Value {
  const width = x.type.shape[1]!;
  return shaped(b, sumOver(b, shaped(b, x, tokens, topK, width), 2), tokens, width);
}

const expertColumn = (b: Builder, c: Choices): Value => shaped(b, c.chosen, c.tokens * c.topK, c.experts, 1);

/** rows·w[e]ᵀ + bias[e] for the expert e of each choice; w [experts, out, in]. */
function perChoice(b: Builder, c: Choices, rows: Value, w: Value, bias: Value | null): Value {
  const [experts, out, width] = w.type.shape as readonly [number, number, number];
  const flat = b.one(matmul, [rows, shaped(b, w, experts * out, width)], { transA: 0, transB: 1 });
  const all = shaped(b, flat, c.tokens * c.topK, experts, out);
  const biased = bias ? b.one(add, [all, bias]) : all;
  return shaped(b, sumOver(b, times(b, biased, expertColumn(b, c)), 2), c.tokens * c.topK, out);
}

/** [choices, width] -> [choices, experts, width], zero but for the expert of each. */
function toExperts(b: Builder, c: Choices, rows: Value): Value {
  return times(b, expertColumn(b, c), shaped(b, rows, c.tokens * c.topK, 1, rows.type.shape[1]!));
}

/** rows·w[e] for the expert e of each choice; w [experts, in, out]. */
function perChoiceBack(b: Builder, c: Choices, rows: Value, w: Value): Value {
  const [experts, width, out] = w.type.shape as readonly [number, number, number];
  const flat = shaped(b, toExperts(b, c, rows), c.tokens * c.topK, experts * width);
  return b.one(matmul, [flat, shaped(b, w, experts * width, out)], { transA: 0, transB: 0 });
}

/** dw[e] = Σ over its choices of leftᵀ·right */
function weightGrad(b: Builder, c: Choices, left: Value, right: Value): Value {
  const [out, width] = [left.type.shape[1]!, right.type.shape[1]!];
  const flat = shaped(b, toExperts(b, c, left), c.tokens * c.topK, c.experts * out);
  return shaped(b, b.one(matmul, [flat, right], { transA: 1, transB: 0 }), c.experts, out, width);
}

const biasGrad = (b: Builder, c: Choices, rows: Value): Value =>
  shaped(b, sumOver(b, toExperts(b, c, rows), 1), c.experts, rows.type.shape[1]!);

/** The two halves of h: before the activation, and the factor of a gated layer. */
function halves(b: Builder, h: Value, gated: boolean): readonly [Value, Value | null] {
  if (!gated) return [h, null];
  const size = h.type.shape[1]! / 2;
  return [b.one(slice, [h], { axis: 1, start: 0, size }), b.one(slice, [h], { axis: 1, start: size, size })];
}

/** What flows on from gradients of h and of u: dx (by choice), dw1, db1, dw3. */
function throughFirst(b: Builder, c: Choices, x: Value, w1: Value, w3: Value | null, dh: Value, du: Value | null) {
  const [first, third] = [perChoiceBack(b, c, dh, w1), du && w3 ? perChoiceBack(b, c, du, w3) : null];
  return {
    dx: plus(b, first, third)!,
    dw1: weightGrad(b, c, dh, x),
    db1: biasGrad(b, c, dh),
    dw3: du && weightGrad(b, c, du, x),
  };
}

const WEIGHTS = {
  w1: 'f32[experts, hidden, width]',
  w2: 'f32[experts, width, hidden]',
} as const;

function sizesOf(inputs: readonly (TensorType | null)[]) {
  const [tokens, width] = shapeAt(inputs, 0) as readonly [number, number];
  const [experts, hidden] = shapeAt(inputs, 3) as readonly [number, number];
  return { tokens, width, experts, hidden, choices: numelAt(inputs, 1) };
}

/** Products of the chosen experts alone. */
function costOf(inputs: readonly (TensorType | null)[], attrs: Attrs, matrices: number, acts: number): Cost {
  const { width, hidden, choices } = sizesOf(inputs);
  const rest = acts * activationFlops(nameOf(attrs, 'activation'), choices * hidden) + choices * (hidden + 3 * width);
  return products(choices * width * hidden * matrices, rest);
}

/** y alone has a fused gradient; where h was used too (second derivatives), its parts are added. */
function ffnGradients(g: GradContext): readonly (Value | null)[] {
  const b = g.builder;
  const [dy, dh] = [g.dOutput(0), g.dOutput(1)];
  const at = { b1: 5, b2: 6, w3: 7 };
  const [b1, b2, w3] = [g.optional(at.b1), g.optional(at.b2), g.optional(at.w3)];
  const given = [0, 1, 2, 3, 4].map((i) => g.input(i)) as [Value, Value, Value, Value, Value];
  const [x, , expert, w1] = given;
  const h = (): Value =>
    numberOf(g.attrs, 'keep') === 1
      ? g.output(1)
      : b.apply(moeFfn, [...given, b1, b2, w3], { ...g.attrs, keep: 1 })[1]!;
  const activation = nameOf(g.attrs, 'activation');
  const fused = dy && b.apply(moeFfnGrad, [...given, b2, w3, h(), dy], { activation });
  const [dx, dGate, dw1, dw2, db1, db2, dw3] = fused ?? new Array<null>(7).fill(null);
  const all = (first: Partial<ReturnType<typeof throughFirst>>): readonly (Value | null)[] => [
    plus(b, dx!, first.dx ?? null),
    dGate!,
    null,
    plus(b, dw1!, first.dw1 ?? null),
    dw2!,
    b1 && plus(b, db1!, first.db1 ?? null),
    b2 && db2!,
    w3 && plus(b, dw3!, first.dw3 ?? null),
  ];
  if (!dh || numberOf(g.attrs, 'keep') === 0) return all({});
  const c = choicesOf(b, expert, w1.type.shape[0]!);
  const [dFirst, dFactor] = halves(b, dh, w3 !== null);
  const more = throughFirst(b, c, repeatTokens(b, c, x), w1, w3, dFirst, dFactor);
  return all({ ...more, dx: addChoices(b, c, more.dx) });
}

interface Case {
  readonly tokens: number;
  readonly topK: number;
  readonly experts: number;
  readonly width: number;
  readonly hidden: number;
  readonly activation?: string;
  readonly gated?: boolean;
  readonly bias?: boolean;
  readonly keep?: number;
}
const size = (tokens: number, topK: number, experts: number, width: number, hidden: number): Case => ({
  tokens,
  topK,
  experts,
  width,
  hidden,
});
const CASES: readonly Case[] = [
  ...ACTIVATIONS.map((activation, i) => ({ ...size(4, 2, 3, 4, 5), activation, gated: i % 2 === 1 })),
  { ...size(5, 1, 4, 3, 4), activation: 'gelu', keep: 0 },
  { ...size(5, 2, 2, 5, 3), activation: 'silu', gated: true, bias: false },
  size(1, 1, 1, 1, 1),
  { ...size(1, 1, 1, 1, 1), gated: true },
  size(0, 2, 3, 4, 5),
  size(3, 0, 3, 4, 5),
  size(3, 2, 0, 4, 5),
  size(3, 2, 3, 0, 5),
  size(3, 2, 3, 4, 0),
  size(40, 2, 3, 17, 33),
  { ...size(40, 2, 3, 65, 31), gated: true, activation: 'silu', bias: false },
  { ...size(70, 1, 2, 33, 63), activation: 'gelu_tanh' },
  { ...size(130, 3, 7, 16, 65), activation: 'gelu', keep: 0 },
  { ...size(300, 2, 2, 48, 96), activation: 'gelu' },
  { ...size(60, 2, 20, 130, 70), activation: 'gelu' },
  { ...size(80, 1, 4, 64, 96), activation: 'gelu' },
  { ...size(100, 1, 3, 34, 130), activation: 'silu', gated: true },
];
const weightsOf = ({ experts, width, hidden, bias = true, gated }: Case, first: boolean): (TensorType | null)[] => [
  ...(first ? [bias ? f32(experts, hidden) : null] : []),
  bias ? f32(experts, width) : null,
  gated ? f32(experts, hidden, width) : null,
];
const routed = (c: Case): TensorType[] => [
  f32(c.tokens, c.width),
  f32(c.tokens, c.topK),
  i32(c.tokens, c.topK),
  f32(c.experts, c.hidden, c.width),
  f32(c.experts, c.width, c.hidden),
];
const hiddenShape = (choices: number, hidden: number, gated: boolean): Shape => [choices, gated ? 2 * hidden : hidden];
// The expert E is a choice that was dropped.
const fills = (c: Case): NonNullable<Sample['fill']> => ['normal', 'normal', `below:${c.experts + 1}`];

export const moeFfn = defineOp({
  name: 'moe_ffn',
  doc: 'Mixture of experts: y = Σ over the choices of a token of gate·(w2[e]·a + b2[e]), a = activation(w1[e]·x + b1[e]), times w3[e]·x where w3 is given. Expert E is a dropped choice and adds nothing. With keep = 1, h holds w1[e]·x + b1[e] (and w3[e]·x behind it) of every choice, zeros where dropped: all that the gradient needs besides the inputs.',
  inputs: {
    x: 'f32[tokens, width]',
    gate: 'f32[tokens, topK]',
    expert: 'i32[tokens, topK]',
    ...WEIGHTS,
    'b1?': 'f32[experts, hidden]',
    'b2?': 'f32[experts, width]',
    'w3?': 'f32[experts, hidden, width]',
  },
  outputs: { y: 'f32[tokens, width]', h: 'f32[rows, made]' },
  attrs: { activation: activationAttr, keep: 'u32' },
  infer: (inputs, attrs) => {
    const { tokens, width, hidden, choices } = sizesOf(inputs);
    const rows = numberOf(attrs, 'keep') === 1 ? choices : 0;
    return [f32(tokens, width), f32(...hiddenShape(rows, hidden, Boolean(inputs[7])))];
  },
  check: (_inputs, attrs) =>
    numberOf(attrs, 'keep') > 1 ? `keep must be 0 or 1, not ${numberOf(attrs, 'keep')}` : null,
  grad: ffnGradients,
  decompose: (b, [x, gate, expert, w1, w2, b1, b2, w3], attrs) => {
    const c = choicesOf(b, expert!, w1!.type.shape[0]!);
    const rows = repeatTokens(b, c, x!);
    const h = perChoice(b, c, rows, w1!, b1 ?? null);
    const u = w3 ? perChoice(b, c, rows, w3, null) : null;
    const a = activate(b, h, nameOf(attrs, 'activation'));
    const f = perChoice(b, c, u ? times(b, a, u) : a, w2!, b2 ?? null);
    const y = addChoices(b, c, times(b, f, shaped(b, gate!, c.tokens * c.topK, 1)));
    const both = u ? b.one(concat, [h, u], { axis: 1 }) : h;
    const kept = numberOf(attrs, 'keep') === 1;
    return [y, kept ? both : b.one(fill, [], { dims: [0, both.type.shape[1]!], value: 0 })];
  },
  cost: (inputs, _outputs, attrs) => costOf(inputs, attrs, inputs[7] ? 3 : 2, 1),
  samples: CASES.map((c): Sample => ({
    inputs: [...routed(c), ...weightsOf(c, true)],
    attrs: { activation: c.activation ?? 'relu', keep: c.keep ?? 1 },
    fill: fills(c),
  })),
});

export const moeFfnGrad = defineOp({
  name: 'moe_ffn_grad',
  doc: 'Gradient of moe_ffn through y, from the h that it kept: of x, the gates, w1, w2, b1, b2 and w3 (of no experts where there is none). Experts without tokens have zeros; dropped choices have no gradient.',
  inputs: {
    x: 'f32[tokens, width]',
    gate: 'f32[tokens, topK]',
    expert: 'i32[tokens, topK]',
    ...WEIGHTS,
    'b2?': 'f32[experts, width]',
    'w3?': 'f32[experts, hidden, width]',
    h: 'f32[rows, made]',
    dy: 'f32[tokens, width]',
  },
  outputs: {
    dx: 'f32[tokens, width]',
    dGate: 'f32[tokens, topK]',
    dw1: 'f32[experts, hidden, width]',
    dw2: 'f32[experts, width, hidden]',
    db1: 'f32[experts, hidden]',
    db2: 'f32[experts, width]',
    dw3: 'f32[gated, hidden, width]',
  },
  attrs: { activation: activationAttr },
  infer: (inputs) => {
    const { tokens, width, experts, hidden } = sizesOf(inputs);
    const [w1, w2] = [f32(experts, hidden, width), f32(experts, width, hidden)];
    const w3 = f32(inputs[6] ? experts : 0, hidden, width);
    return [f32(tokens, width), f32(...shapeAt(inputs, 1)), w1, w2, f32(experts, hidden), f32(experts, width), w3];
  },
  check: (inputs) => {
    const { hidden, choices } = sizesOf(inputs);
    const expected = hiddenShape(choices, hidden, Boolean(inputs[6])).join(', ');
    const found = shapeAt(inputs, 7).join(', ');
    return found === expected ? null : `h must be [${expected}], not [${found}]`;
  },
  decompose: (b, [x, gate, expert, w1, w2, b2, w3, h, dy], attrs) => {
    const activation = nameOf(attrs, 'activation');
    const c = choicesOf(b, expert!, w1!.type.shape[0]!);
    const choices = c.tokens * c.topK;
    const rows = repeatTokens(b, c, x!);
    const dRows = repeatTokens(b, c, dy!);
    const [before, factor] = halves(b, h!, Boolean(w3));
    const act = activate(b, before, activation);
    const a = factor ? times(b, act, factor) : act;
    const g = shaped(b, gate!, choices, 1);
    const back = perChoiceBack(b, c, dRows, w2!); // of the expert's output, in a: w2ᵀ·dy
    const fromA = sumOver(b, times(b, a, back), 2);
    const picked = b2 ? b.one(matmul, [c.chosen, b2], { transA: 0, transB: 0 }) : null;
    const dGate = picked ? b.one(add, [fromA, sumOver(b, times(b, dRows, picked), 2)]) : fromA;
    const da = times(b, g, back);
    const dh = activationGradient(b, before, act, factor ? times(b, da, factor) : da, activation);
    const first = throughFirst(b, c, rows, w1!, w3 ?? null, dh, factor && times(b, da, act));
    const out = times(b, g, dRows);
    return [
      addChoices(b, c, first.dx),
      shaped(b, dGate, c.tokens, c.topK),
      first.dw1,
      weightGrad(b, c, out, a),
      first.db1,
      biasGrad(b, c, out),
      first.dw3 ?? b.one(fill, [], { dims: [0, ...w1!.type.shape.slice(1)], value: 0 }),
    ];
  },
  cost: (inputs, _outputs, attrs) => costOf(inputs, attrs, inputs[6] ? 6 : 4, 3),
  samples: CASES.map((c): Sample => ({
    inputs: [
      ...routed(c),
      ...weightsOf(c, false),
      f32(...hiddenShape(c.tokens * c.topK, c.hidden, Boolean(c.gated))),
      f32(c.tokens, c.width),
    ],
    attrs: { activation: c.activation ?? 'relu' },
    fill: fills(c),
  })),
});

import { f32 } from '../base/tensor-type.ts';
import type { TensorType } from '../base/tensor-type.ts';
import { Unfit } from '../base/unfit.ts';
import { defineOp } from '../ir/define-op.ts';
import type { Attrs, Sample } from '../ir/op.ts';
import { ACTIVATIONS, activate, activationAttr, activationFlops } from './activation.ts';
import { add } from './elementwise.ts';
import { kronAlgebraGrad, kronFactorGrad, kronWeight } from './kron-weight.ts';
import { nameOf } from './lib/attrs.ts';
import { products } from './lib/cost.ts';
import { kronMacs, kronOf } from './lib/kron.ts';
import type { KronGeometry } from './lib/kron.ts';
import { dim, numelAt, shapeAt, typeAt } from './lib/types.ts';
import { matmul } from './matmul.ts';

type Types = readonly (TensorType | null)[];
const ONE_GROUP: Attrs = { groups: 1 };
const transB: Attrs = { transA: 0, transB: 1 };

/** The sizes of a layer with x [rows, n·ins]. Throws Unfit. */
function linearOf(types: Types, a: number, f: number, x = 0): KronGeometry {
  const g = kronOf(shapeAt(types, a), shapeAt(types, f), 1);
  const [found, width] = [dim(shapeAt(types, x), 1), g.n * g.ins];
  if (found !== width)
    throw new Unfit(`x has ${found} columns, but n·C/n = ${width}`, `${width} columns`, `${found} columns`);
  return g;
}

const widthOf = (g: KronGeometry): number => g.n * g.outs;
const macsOf = (g: KronGeometry, rows: number): number => rows * widthOf(g) * g.n * g.ins;

interface Case {
  readonly rows: number;
  readonly n: number;
  readonly outs: number;
  readonly ins: number;
}
// Few rows are evaluated by their structure, many by making the weight's panels.
const CASES: readonly Case[] = [
  { rows: 2, n: 2, outs: 2, ins: 3 },
  { rows: 3, n: 1, outs: 4, ins: 5 },
  { rows: 1, n: 4, outs: 1, ins: 1 },
  { rows: 2, n: 3, outs: 5, ins: 2 },
  { rows: 0, n: 2, outs: 3, ins: 2 },
  { rows: 3, n: 2, outs: 0, ins: 2 },
  { rows: 3, n: 2, outs: 2, ins: 0 },
  { rows: 7, n: 1, outs: 33, ins: 65 },
  { rows: 5, n: 4, outs: 33, ins: 17 },
  { rows: 40, n: 4, outs: 17, ins: 33 },
  { rows: 33, n: 8, outs: 9, ins: 16 },
  { rows: 16, n: 5, outs: 40, ins: 15 },
  { rows: 300, n: 3, outs: 70, ins: 40 },
  { rows: 64, n: 2, outs: 160, ins: 330 },
  { rows: 700, n: 4, outs: 24, ins: 160 },
];
const sample = ({ rows, n, outs, ins }: Case): readonly TensorType[] => [
  f32(rows, n * ins),
  f32(n, n, n),
  f32(n, outs, ins),
];

/** y[t, p·O/n + o] = Σ_i Σ_q a[i, p, q] · Σ_c f[i, o, c] · x[t, q·C/n + c] (Zhang et al. 2021). */
export const kronLinear = defineOp({
  name: 'kron_linear',
  doc: 'x·Wᵀ with W = Σ a_i ⊗ f_i, which is never made: x [rows, C], a [n, n, n], f [n, O/n, C/n].',
  inputs: { x: 'f32[rows, width]', a: 'f32[n, n, n]', f: 'f32[m, outs, ins]' },
  outputs: { y: 'f32[rows, out]' },
  attrs: {},
  infer: (inputs) => [f32(dim(shapeAt(inputs, 0), 0), widthOf(linearOf(inputs, 1, 2)))],
  grad: (g) => {
    const dy = g.dOutput(0);
    if (!dy) return [null, null, null];
    const [x, a, f] = [g.input(0), g.input(1), g.input(2)];
    if (g.wants(0)) {
      const all = g.builder.apply(kronLinearGrad, [x, a, f, dy]);
      return all.map((value, i) => (g.wants(i) ? value : null));
    }
    const dw = g.builder.one(matmul, [dy, x], { transA: 1, transB: 0 });
    return [
      null,
      g.wants(1) ? g.builder.one(kronAlgebraGrad, [f, dw], ONE_GROUP) : null,
      g.wants(2) ? g.builder.one(kronFactorGrad, [a, dw], ONE_GROUP) : null,
    ];
  },
  decompose: (b, [x, a, f]) => [b.one(matmul, [x!, b.one(kronWeight, [a!, f!], ONE_GROUP)], transB)],
  cost: (inputs) => {
    const g = linearOf(inputs, 1, 2);
    return products(macsOf(g, dim(shapeAt(inputs, 0), 0)) + kronMacs(g));
  },
  samples: CASES.map((c) => ({ inputs: sample(c) })),
});

export const kronLinearGrad = defineOp({
  name: 'kron_linear_grad',
  doc: 'The gradients of kron_linear in x, a and f, given that of y.',
  inputs: { x: 'f32[rows, width]', a: 'f32[n, n, n]', f: 'f32[m, outs, ins]', dy: 'f32[rows, out]' },
  outputs: { dx: 'f32[rows, width]', da: 'f32[n, n, n]', df: 'f32[m, outs, ins]' },
  attrs: {},
  infer: (inputs) => {
    const g = linearOf(inputs, 1, 2);
    const found = dim(shapeAt(inputs, 3), 1);
    if (found !== widthOf(g))
      throw new Unfit(`dy has ${found} columns, but O is ${widthOf(g)}`, `${widthOf(g)}`, `${found}`);
    return [0, 1, 2].map((i) => typeAt(inputs, i));
  },
  decompose: (b, [x, a, f, dy]) => {
    const dw = b.one(matmul, [dy!, x!], { transA: 1, transB: 0 });
    return [
      b.one(matmul, [dy!, b.one(kronWeight, [a!, f!], ONE_GROUP)], { transA: 0, transB: 0 }),
      b.one(kronAlgebraGrad, [f!, dw], ONE_GROUP),
      b.one(kronFactorGrad, [a!, dw], ONE_GROUP),
    ];
  },
  cost: (inputs) => {
    const g = linearOf(inputs, 1, 2);
    return products(2 * macsOf(g, dim(shapeAt(inputs, 0), 0)) + 3 * kronMacs(g));
  },
  samples: CASES.map((c) => ({ inputs: [...sample(c), f32(c.rows, c.n * c.outs)] })),
});

export const kronLinearAct = defineOp({
  name: 'kron_linear_act',
  doc: 'activation(kron_linear(x, a, f) + bias), in one pass.',
  inputs: { x: 'f32[rows, width]', a: 'f32[n, n, n]', f: 'f32[m, outs, ins]', 'bias?': 'f32[out]' },
  outputs: { y: 'f32[rows, out]' },
  attrs: { activation: activationAttr },
  infer: (inputs) => {
    const out = widthOf(linearOf(inputs, 1, 2));
    const bias = inputs[3] && dim(inputs[3].shape, 0);
    if (bias !== null && bias !== undefined && bias !== out)
      throw new Unfit(`the bias has ${bias} numbers, but O is ${out}`, `${out}`, `${bias}`);
    return [f32(dim(shapeAt(inputs, 0), 0), out)];
  },
  decompose: (b, [x, a, f, bias], attrs) => {
    const product = b.one(kronLinear, [x!, a!, f!]);
    return [activate(b, bias ? b.one(add, [product, bias]) : product, nameOf(attrs, 'activation'))];
  },
  cost: (inputs, outputs, attrs) => {
    const g = linearOf(inputs, 1, 2);
    const elements = numelAt(outputs, 0);
    const more = (inputs[3] ? elements : 0) + activationFlops(nameOf(attrs, 'activation'), elements);
    return products(macsOf(g, dim(shapeAt(inputs, 0), 0)) + kronMacs(g), more);
  },
  samples: CASES.map((c, i): Sample => {
    const bias = i % 3 === 2 ? null : f32(c.n * c.outs);
    return { inputs: [...sample(c), bias], attrs: { activation: ACTIVATIONS[i % ACTIVATIONS.length]! } };
  }),
});

import { f32 } from '../base/tensor-type.ts';
import type { Shape } from '../base/tensor-type.ts';
import { Unfit } from '../base/unfit.ts';
import { defineOp } from '../ir/define-op.ts';
import type { Sample } from '../ir/op.ts';
import { products } from './lib/cost.ts';
import {
  algebraShape,
  factorShape,
  forEachKron,
  groupsOf,
  kronMacs,
  kronOf,
  kronOfFactor,
  kronOfWeight,
  madeShape,
} from './lib/kron.ts';
import type { KronGeometry } from './lib/kron.ts';
import { ndArray } from './lib/nd.ts';
import { arrayAt, dim, shapeAt, showShape } from './lib/types.ts';

/** A factor and a weight that go together. Throws Unfit. */
function kronOfBoth(f: Shape, w: Shape, groups: number): KronGeometry {
  const g = kronOfFactor(f, groups);
  const made = madeShape(g);
  if (made.length !== w.length || made.some((d, i) => d !== w[i])) {
    throw new Unfit(
      `the factor ${showShape(f)} makes ${showShape(made)}, not ${showShape(w)}`,
      showShape(made),
      showShape(w),
    );
  }
  return g;
}

interface Case {
  readonly n: number;
  readonly outs: number;
  readonly kernel?: readonly number[];
  readonly ins: number;
  readonly groups?: number;
}
const CASES: readonly Case[] = [
  { n: 1, outs: 3, ins: 5 },
  { n: 2, outs: 2, ins: 3 },
  { n: 3, outs: 1, ins: 1 },
  { n: 4, outs: 1, ins: 1 },
  { n: 2, outs: 2, kernel: [3], ins: 2 },
  { n: 2, outs: 1, kernel: [2, 3], ins: 2, groups: 2 },
  { n: 2, outs: 2, kernel: [2, 1, 2], ins: 1, groups: 3 },
  { n: 2, outs: 0, ins: 3 },
  { n: 3, outs: 2, ins: 0 },
  { n: 4, outs: 5, ins: 17 },
  { n: 8, outs: 3, kernel: [3, 3], ins: 8 },
  { n: 4, outs: 33, kernel: [1, 3, 3], ins: 31 },
  { n: 16, outs: 2, ins: 3, groups: 2 },
  { n: 4, outs: 128, ins: 128 },
];
const samples = (types: (g: KronGeometry) => readonly Shape[]): Sample[] =>
  CASES.map(({ n, outs, kernel = [], ins, groups = 1 }) => {
    const g = kronOfFactor([n, groups * outs, ...kernel, ins], groups);
    return { inputs: types(g).map((shape) => f32(...shape)), attrs: { groups } };
  });

/** W[γ·O/g + p·O/(g·n) + o, κ, q·C/(g·n) + c] = Σ_i a[i, p, q] · f[i, γ·O/(g·n) + o, κ, c] (Zhang et al. 2021, eq. 3; Grassucci et al. 2022). */
export const kronWeight = defineOp({
  name: 'kron_weight',
  doc: 'The weight [O, …K, C/g] that is a sum of Kronecker products: Σ a_i ⊗ f_i, a [n, n, n], f [n, O/n, …K, C/(g·n)]; the groups share a.',
  inputs: { a: 'f32[n, n, n]', f: 'f32[...factor]' },
  outputs: { w: 'f32[...weight]' },
  attrs: { groups: 'u32' },
  infer: (inputs, attrs) => [f32(...madeShape(kronOf(shapeAt(inputs, 0), shapeAt(inputs, 1), groupsOf(attrs))))],
  grad: (g) => {
    const dw = g.dOutput(0);
    if (!dw) return [null, null];
    return [
      g.wants(0) ? g.builder.one(kronAlgebraGrad, [g.input(1), dw], g.attrs) : null,
      g.wants(1) ? g.builder.one(kronFactorGrad, [g.input(0), dw], g.attrs) : null,
    ];
  },
  cost: (inputs, _outputs, attrs) =>
    products(kronMacs(kronOf(shapeAt(inputs, 0), shapeAt(inputs, 1), groupsOf(attrs)))),
  reference: (inputs, attrs) => {
    const [a, f] = [arrayAt(inputs, 0), arrayAt(inputs, 1)];
    const g = kronOf(a.shape, f.shape, groupsOf(attrs));
    const w = ndArray(madeShape(g));
    forEachKron(g, (i, j, k) => (w.data[i]! += a.data[j]! * f.data[k]!));
    return [w];
  },
  samples: samples((g) => [algebraShape(g), factorShape(g)]),
});

export const kronAlgebraGrad = defineOp({
  name: 'kron_algebra_grad',
  doc: 'The adjoint of kron_weight in a: da[i, p, q] = Σ dw[p, o, κ, q, c] · f[i, o, κ, c].',
  inputs: { f: 'f32[...factor]', dw: 'f32[...weight]' },
  outputs: { da: 'f32[n, n, n]' },
  attrs: { groups: 'u32' },
  infer: (inputs, attrs) => [f32(...algebraShape(kronOfBoth(shapeAt(inputs, 0), shapeAt(inputs, 1), groupsOf(attrs))))],
  grad: (g) => {
    const dda = g.dOutput(0);
    if (!dda) return [null, null];
    return [
      g.wants(0) ? g.builder.one(kronFactorGrad, [dda, g.input(1)], g.attrs) : null,
      g.wants(1) ? g.builder.one(kronWeight, [dda, g.input(0)], g.attrs) : null,
    ];
  },
  cost: (inputs, _outputs, attrs) => products(kronMacs(kronOfFactor(shapeAt(inputs, 0), groupsOf(attrs)))),
  reference: (inputs, attrs) => {
    const [f, dw] = [arrayAt(inputs, 0), arrayAt(inputs, 1)];
    const g = kronOfBoth(f.shape, dw.shape, groupsOf(attrs));
    const da = ndArray(algebraShape(g));
    forEachKron(g, (i, j, k) => (da.data[j]! += dw.data[i]! * f.data[k]!));
    return [da];
  },
  samples: samples((g) => [factorShape(g), madeShape(g)]),
});

export const kronFactorGrad = defineOp({
  name: 'kron_factor_grad',
  doc: 'The adjoint of kron_weight in f: df[i, o, κ, c] = Σ over p, q of a[i, p, q] · dw[p, o, κ, q, c].',
  inputs: { a: 'f32[n, n, n]', dw: 'f32[...weight]' },
  outputs: { df: 'f32[...factor]' },
  attrs: { groups: 'u32' },
  infer: (inputs, attrs) => [
    f32(...factorShape(kronOfWeight(dim(shapeAt(inputs, 0), 0), shapeAt(inputs, 1), groupsOf(attrs)))),
  ],
  grad: (g) => {
    const ddf = g.dOutput(0);
    if (!ddf) return [null, null];
    return [
      g.wants(0) ? g.builder.one(kronAlgebraGrad, [ddf, g.input(1)], g.attrs) : null,
      g.wants(1) ? g.builder.one(kronWeight, [g.input(0), ddf], g.attrs) : null,
    ];
  },
  cost: (_inputs, outputs, attrs) => products(kronMacs(kronOfFactor(shapeAt(outputs, 0), groupsOf(attrs)))),
  reference: (inputs, attrs) => {
    const [a, dw] = [arrayAt(inputs, 0), arrayAt(inputs, 1)];
    const g = kronOfWeight(dim(a.shape, 0), dw.shape, groupsOf(attrs));
    const df = ndArray(factorShape(g));
    forEachKron(g, (i, j, k) => (df.data[k]! += a.data[j]! * dw.data[i]!));
    return [df];
  },
  samples: samples((g) => [algebraShape(g), madeShape(g)]),
});

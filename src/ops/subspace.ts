import { f32, numel } from '../base/tensor-type.ts';
import type { Shape } from '../base/tensor-type.ts';
import { defineOp } from '../ir/define-op.ts';
import type { Attrs, Cost } from '../ir/op.ts';
import { transformRows } from './hadamard.ts';
import { listOf, numberOf } from './lib/attrs.ts';
import { free, products } from './lib/cost.ts';
import { ndArray } from './lib/nd.ts';
import {
  fastfoodOf,
  forEachEntry,
  KINDS,
  PROJECTION_ATTRS,
  projectionOf,
  projectionProblem,
} from './lib/projection.ts';
import type { Kind, Projection } from './lib/projection.ts';
import { arrayAt, dim, numelAt, shapeAt, showShape } from './lib/types.ts';

// y = P v, or with `transposed` y = Pᵀ v.
function applied(p: Projection, v: Float64Array, transposed: boolean): Float64Array<ArrayBuffer> {
  if (p.kind === 'fastfood') return transposed ? fastfoodTransposed(p, v) : fastfood(p, v);
  const y = new Float64Array(transposed ? p.columns : p.rows);
  forEachEntry(p, (row, column, value) => {
    if (transposed) y[column]! += value * v[row]!;
    else y[row]! += value * v[column]!;
  });
  return y;
}

function fastfood(p: Projection, v: Float64Array): Float64Array<ArrayBuffer> {
  const { length, signs, scales, order, divisor } = fastfoodOf(p);
  const u = new Float64Array(length);
  v.forEach((x, i) => (u[i] = x * signs[i]!));
  transformRows(u, length);
  const w = u.map((_, i) => scales[i]! * u[order[i]!]!);
  transformRows(w, length);
  return w.slice(0, p.rows).map((x) => x / divisor);
}

function fastfoodTransposed(p: Projection, g: Float64Array): Float64Array<ArrayBuffer> {
  const { length, signs, scales, order, divisor } = fastfoodOf(p);
  const w = new Float64Array(length);
  w.set(g);
  transformRows(w, length);
  const u = new Float64Array(length);
  w.forEach((x, i) => (u[order[i]!] = scales[i]! * x));
  transformRows(u, length);
  return u.slice(0, p.columns).map((x, i) => (x * signs[i]!) / divisor);
}

function costOf(attrs: Attrs, rows: number, columns: number): Cost {
  const p = projectionOf(attrs, rows, columns);
  if (p.kind === 'sparse') return products(Math.ceil(rows / p.stratum) * columns);
  if (p.kind !== 'fastfood') return products(rows * columns);
  const bits = Math.ceil(Math.log2(Math.max(2, rows)));
  return { flops: 2 ** bits * (2 * bits + 2), macs: 0 };
}

const KEY = { key0: 0x243f6a88, key1: 0x85a308d3, stream: 0, stratum: 0 };

// rows and columns: around the widths of vectors, blocks of the counters and strata; more than one task; no columns; as many as rows.
const SIZES: readonly (readonly [Shape, number])[] = [
  [[1], 1],
  [[1], 0],
  [[0], 0],
  [[7], 3],
  [[3, 5], 15],
  [[2, 33], 1],
  [[64], 64],
  [[65], 33],
  [[257], 31],
  [[10, 13, 9], 65],
  [[1003], 97],
  [[2048], 129],
  [[5003], 33],
  [[40011], 17],
];
interface Case {
  readonly dims: Shape;
  readonly d: number;
  readonly attrs: Attrs;
}
const CASES: readonly Case[] = KINDS.flatMap((kind) => [
  ...SIZES.map(([dims, d]) => ({ dims, d, attrs: { kind, ...KEY } })),
  { dims: [1000], d: 50, attrs: { kind, ...KEY, key0: 0, stream: 7, stratum: 64 } },
  { dims: [129], d: 9, attrs: { kind, ...KEY, key1: 0xffffffff, stream: 2 ** 30 - 1, stratum: 1 } },
]);

export const subspaceProject = defineOp({
  name: 'subspace_project',
  doc: 'θ = base + P·v (Li et al. 2018) with a random P that is never stored, made from key and stream: ±1/√rows; normal numbers; one ±1/√strata in each stratum of a column; or fastfood. Columns of gaussian are not yet divided by their norms.',
  inputs: { v: 'f32[d]', 'base?': 'f32[...s]' },
  outputs: { theta: 'f32[...dims]' },
  attrs: { dims: 'dims', ...PROJECTION_ATTRS },
  check: ([v, base], attrs) => {
    const dims = listOf(attrs, 'dims');
    if (base && showShape(base.shape) !== showShape(dims))
      return `base is ${showShape(base.shape)}, not ${showShape(dims)}`;
    return projectionProblem(attrs, numel(dims), dim(v!.shape, 0));
  },
  infer: (_inputs, attrs) => [f32(...listOf(attrs, 'dims'))],
  grad: (g) => {
    const dTheta = g.dOutput(0);
    if (!dTheta) return [null, null];
    const { dims: _, ...attrs } = g.attrs;
    const d = dim(g.inputType(0).shape, 0);
    return [g.wants(0) ? g.builder.one(subspaceTranspose, [dTheta], { d, ...attrs }) : null, dTheta];
  },
  cost: (inputs, outputs, attrs) => costOf(attrs, numelAt(outputs, 0), dim(shapeAt(inputs, 0), 0)),
  reference: (inputs, attrs) => {
    const [v, base] = [arrayAt(inputs, 0), inputs[1]];
    const dims = listOf(attrs, 'dims');
    const y = applied(projectionOf(attrs, numel(dims), v.data.length), v.data, false);
    return [ndArray(dims, base ? y.map((x, i) => x + base.data[i]!) : y)];
  },
  samples: CASES.flatMap(({ dims, d, attrs }, i) => [
    { inputs: [f32(d), i % 2 === 0 ? null : f32(...dims)], attrs: { dims, ...attrs } },
  ]),
  inPlace: [1],
});

export const subspaceTranspose = defineOp({
  name: 'subspace_transpose',
  doc: 'v = Pᵀ·g, the gradient of subspace_project, with the same P.',
  inputs: { g: 'f32[...s]' },
  outputs: { v: 'f32[d]' },
  attrs: { d: 'u32', ...PROJECTION_ATTRS },
  check: ([g], attrs) => projectionProblem(attrs, numel(g!.shape), numberOf(attrs, 'd')),
  grad: (g) => {
    const dv = g.dOutput(0);
    const { d: _, ...attrs } = g.attrs;
    return [dv && g.builder.one(subspaceProject, [dv, null], { dims: g.inputType(0).shape, ...attrs })];
  },
  cost: (inputs, _outputs, attrs) => costOf(attrs, numelAt(inputs, 0), numberOf(attrs, 'd')),
  reference: (inputs, attrs) => {
    const g = arrayAt(inputs, 0);
    const d = numberOf(attrs, 'd');
    return [ndArray([d], applied(projectionOf(attrs, g.data.length, d), g.data, true))];
  },
  samples: CASES.map(({ dims, d, attrs }) => ({ inputs: [f32(...dims)], attrs: { d, ...attrs } })),
});

export const subspaceNorms = defineOp({
  name: 'subspace_norms',
  doc: 'Lengths of the columns of the gaussian P of rows and d columns: v is divided by them before subspace_project, and Pᵀ·g after.',
  inputs: {},
  outputs: { norms: 'f32[d]' },
  attrs: { d: 'u32', rows: 'u32', key0: 'u32', key1: 'u32', stream: 'u32' },
  check: (_inputs, attrs) => projectionProblem(gaussian(attrs), numberOf(attrs, 'rows'), numberOf(attrs, 'd')),
  grad: () => [],
  cost: free,
  reference: (_inputs, attrs) => {
    const [rows, d] = [numberOf(attrs, 'rows'), numberOf(attrs, 'd')];
    const squares = new Float64Array(d);
    forEachEntry(projectionOf(gaussian(attrs), rows, d), (_row, column, value) => (squares[column]! += value * value));
    return [ndArray([d], squares.map(Math.sqrt))];
  },
  samples: SIZES.filter(([dims]) => numel(dims) > 0).map(([dims, d]) => ({
    inputs: [],
    attrs: { d, rows: numel(dims), key0: 7, key1: 0, stream: 3 },
  })),
});

const gaussian = (attrs: Attrs): Attrs => ({ ...attrs, kind: 'gaussian' satisfies Kind, stratum: 0 });

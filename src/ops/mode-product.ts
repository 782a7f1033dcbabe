import { f32 } from '../base/tensor-type.ts';
import type { Shape } from '../base/tensor-type.ts';
import { Unfit } from '../base/unfit.ts';
import { defineOp } from '../ir/define-op.ts';
import type { Attrs, Sample } from '../ir/op.ts';
import { numberOf } from './lib/attrs.ts';
import { products } from './lib/cost.ts';
import { aroundAxis, modeSizes, productCost, withAxis } from './lib/modes.ts';
import { ndArray } from './lib/nd.ts';
import { arrayAt, checkAxis, dim, numelAt, shapeAt, showShape } from './lib/types.ts';

/** The shape of x ×_axis u. Throws Unfit. */
export function modeShape(x: Shape, u: Shape, axis: number, transposed: boolean): number[] {
  checkAxis(x, axis);
  const [from, to] = modeSizes(u, transposed);
  if (dim(x, axis) !== from) {
    const what = `a factor ${showShape(u)} for axis ${axis} of ${showShape(x)}`;
    throw new Unfit(`${what}: it takes a size of ${from}`, `${from}`, String(dim(x, axis)));
  }
  return withAxis(x, axis, to);
}

function transposedOf(attrs: Attrs): boolean {
  const value = numberOf(attrs, 'transposed');
  if (value > 1) throw new Unfit(`transposed is ${value}`, '0 or 1', String(value));
  return value === 1;
}

interface Case {
  readonly shape: Shape;
  readonly axis: number;
  readonly to: number;
}
const CASES: readonly Case[] = [
  { shape: [3], axis: 0, to: 2 },
  { shape: [4, 5], axis: 0, to: 3 },
  { shape: [4, 5], axis: 1, to: 7 },
  { shape: [2, 3, 4], axis: 1, to: 5 },
  { shape: [2, 3, 1, 2], axis: 2, to: 4 },
  { shape: [0, 3, 4], axis: 1, to: 2 },
  { shape: [3, 4], axis: 1, to: 0 },
  { shape: [3, 0, 2], axis: 1, to: 4 },
  { shape: [17, 33, 5], axis: 0, to: 31 },
  { shape: [17, 33, 5], axis: 1, to: 16 },
  { shape: [17, 33, 5], axis: 2, to: 65 },
  { shape: [33, 16, 31], axis: 1, to: 48 },
  { shape: [16, 40, 16, 20], axis: 1, to: 16 },
  { shape: [300, 20, 33], axis: 1, to: 18 },
];

/** y = x ×_axis u: y[…, i, …] = Σ_r u[i, r] · x[…, r, …] (Kolda and Bader 2009, section 2.5). */
export const modeProduct = defineOp({
  name: 'mode_product',
  doc: 'The product of a tensor and a matrix u [I, r] along one axis: r becomes I, or with transposed I becomes r.',
  inputs: { x: 'f32[...s]', u: 'f32[i, r]' },
  outputs: { y: 'f32[...t]' },
  attrs: { axis: 'u32', transposed: 'u32' },
  infer: (inputs, attrs) => [
    f32(...modeShape(shapeAt(inputs, 0), shapeAt(inputs, 1), numberOf(attrs, 'axis'), transposedOf(attrs))),
  ],
  grad: (g) => {
    const dy = g.dOutput(0);
    if (!dy) return [null, null];
    const axis = numberOf(g.attrs, 'axis');
    const transposed = numberOf(g.attrs, 'transposed');
    const dU = () => (transposed ? [g.input(0), dy] : [dy, g.input(0)]);
    return [
      g.wants(0) ? g.builder.one(modeProduct, [dy, g.input(1)], { axis, transposed: 1 - transposed }) : null,
      g.wants(1) ? g.builder.one(modeGram, dU(), { axis }) : null,
    ];
  },
  cost: (inputs, _outputs, attrs) => {
    const mode = { axis: numberOf(attrs, 'axis'), factor: shapeAt(inputs, 1) };
    return products(productCost(shapeAt(inputs, 0), mode, transposedOf(attrs)));
  },
  reference: (inputs, attrs) => {
    const [x, u] = [arrayAt(inputs, 0), arrayAt(inputs, 1)];
    const [axis, transposed] = [numberOf(attrs, 'axis'), transposedOf(attrs)];
    const y = ndArray(modeShape(x.shape, u.shape, axis, transposed));
    const [lead, from, tail] = aroundAxis(x.shape, axis);
    const [, to] = aroundAxis(y.shape, axis);
    const r = dim(u.shape, 1);
    for (let l = 0; l < lead; l++) {
      for (let i = 0; i < to; i++) {
        for (let j = 0; j < from; j++) {
          const factor = u.data[transposed ? j * r + i : i * r + j]!;
          for (let t = 0; t < tail; t++)
            y.data[(l * to + i) * tail + t]! += factor * x.data[(l * from + j) * tail + t]!;
        }
      }
    }
    return [y];
  },
  samples: CASES.flatMap(({ shape, axis, to }): Sample[] => [
    { inputs: [f32(...shape), f32(to, dim(shape, axis))], attrs: { axis, transposed: 0 } },
    { inputs: [f32(...shape), f32(dim(shape, axis), to)], attrs: { axis, transposed: 1 } },
  ]),
});

/** The shape of the gram matrix of a and b, equal but along `axis`. Throws Unfit. */
function gramShape(a: Shape, b: Shape, axis: number): [number, number] {
  checkAxis(a, axis);
  if (a.length !== b.length || a.some((d, i) => i !== axis && d !== b[i])) {
    throw new Unfit(`${showShape(a)} and ${showShape(b)} differ beside axis ${axis}`, showShape(a), showShape(b));
  }
  return [dim(a, axis), dim(b, axis)];
}

export const modeGram = defineOp({
  name: 'mode_gram',
  doc: 'g[i, j] = <a at i, b at j> along one axis, summed over all others: the adjoint of mode_product in its factor.',
  inputs: { a: 'f32[...s]', b: 'f32[...t]' },
  outputs: { g: 'f32[i, j]' },
  attrs: { axis: 'u32' },
  infer: (inputs, attrs) => [f32(...gramShape(shapeAt(inputs, 0), shapeAt(inputs, 1), numberOf(attrs, 'axis')))],
  grad: (g) => {
    const dg = g.dOutput(0);
    if (!dg) return [null, null];
    const axis = numberOf(g.attrs, 'axis');
    return [
      g.wants(0) ? g.builder.one(modeProduct, [g.input(1), dg], { axis, transposed: 0 }) : null,
      g.wants(1) ? g.builder.one(modeProduct, [g.input(0), dg], { axis, transposed: 1 }) : null,
    ];
  },
  cost: (inputs, _outputs, attrs) => products(numelAt(inputs, 0) * dim(shapeAt(inputs, 1), numberOf(attrs, 'axis'))),
  reference: (inputs, attrs) => {
    const [a, b] = [arrayAt(inputs, 0), arrayAt(inputs, 1)];
    const axis = numberOf(attrs, 'axis');
    const [rows, cols] = gramShape(a.shape, b.shape, axis);
    const g = ndArray([rows, cols]);
    const [lead, , tail] = aroundAxis(a.shape, axis);
    for (let l = 0; l < lead; l++) {
      for (let i = 0; i < rows; i++) {
        for (let j = 0; j < cols; j++) {
          let sum = 0;
          for (let t = 0; t < tail; t++) sum += a.data[(l * rows + i) * tail + t]! * b.data[(l * cols + j) * tail + t]!;
          g.data[i * cols + j]! += sum;
        }
      }
    }
    return [g];
  },
  samples: CASES.map(({ shape, axis, to }) => ({
    inputs: [f32(...shape), f32(...withAxis(shape, axis, to))],
    attrs: { axis },
  })),
});

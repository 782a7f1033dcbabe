import { MAX_RANK, f32, i32, numel, sameShape, tensorType } from '../base/tensor-type.ts';
import type { Shape, TensorType } from '../base/tensor-type.ts';
import { Unfit } from '../base/unfit.ts';
import { defineOp } from '../ir/define-op.ts';
import type { Attrs } from '../ir/op.ts';
import { listOf, numberOf } from './lib/attrs.ts';
import { free } from './lib/cost.ts';
import { gather, ndArray, offsetsOf, stridesOf } from './lib/nd.ts';
import { arrayAt, checkAxis, dim, shapeAt, showShape, typeAt } from './lib/types.ts';

/** `shape` with another size along one axis. */
const resized = (shape: Shape, axis: number, size: number): number[] => shape.map((d, i) => (i === axis ? size : d));

function reshapeType(x: TensorType, dims: Shape): TensorType {
  if (numel(dims) === numel(x.shape)) return tensorType(x.dtype, dims);
  const found = `${showShape(dims)}, which has ${numel(dims)}`;
  throw new Unfit(`reshape of ${showShape(x.shape)} to ${showShape(dims)}`, `${numel(x.shape)} elements`, found);
}

/** The same elements in the same order under another shape of any dtype: shares the memory. */
export const reshape = defineOp({
  name: 'reshape',
  doc: 'The same elements, in row-major order, under another shape with as many elements. No work: shares the memory.',
  inputs: { x: 'any[...s]' },
  outputs: { y: 'any[...dims]' },
  attrs: { dims: 'dims' },
  infer: (inputs, attrs) => [reshapeType(typeAt(inputs, 0), listOf(attrs, 'dims'))],
  grad: (g) => {
    const dy = g.dOutput(0);
    return [dy && g.builder.one(reshape, [dy], { dims: g.inputType(0).shape })];
  },
  cost: free,
  reference: (inputs, attrs) => [ndArray(listOf(attrs, 'dims'), arrayAt(inputs, 0).data.slice())],
  samples: [
    { inputs: [f32(6)], attrs: { dims: [2, 3] } },
    { inputs: [f32(2, 3, 4)], attrs: { dims: [24] } },
    { inputs: [f32()], attrs: { dims: [1, 1] } },
    { inputs: [f32(1)], attrs: { dims: [] } },
    { inputs: [f32(0, 3)], attrs: { dims: [5, 0] } },
    { inputs: [i32(4, 2)], attrs: { dims: [2, 2, 2] }, fill: ['below:100'] },
  ],
  alias: true,
});

/** The first `rank` entries, which must be a permutation of the axes. */
function permOf(attrs: Attrs, rank: number): readonly number[] {
  const perm = listOf(attrs, 'perm').slice(0, rank);
  if (perm.length === rank && perm.every((p) => p < rank) && new Set(perm).size === rank) return perm;
  throw new Unfit(`transpose by ${showShape(perm)}`, `each axis from 0 to ${rank - 1} once`, showShape(perm));
}

/** The attribute `perm` of transpose: a permutation of the axes, filled up to eight entries by the axes that are not there. */
export const permutation = (...axes: readonly number[]): readonly number[] =>
  Array.from({ length: MAX_RANK }, (_, i) => axes[i] ?? i);

const inverse = (perm: readonly number[]): number[] => perm.map((_, axis) => perm.indexOf(axis));
const permuted = (values: readonly number[], perm: readonly number[]): number[] => perm.map((p) => dim(values, p));

export const transpose = defineOp({
  name: 'transpose',
  doc: 'Axis i of y is axis perm[i] of x. perm has eight entries, of which the first rank count.',
  inputs: { x: 'f32[...s]' },
  outputs: { y: 'f32[...t]' },
  attrs: { perm: { u32: MAX_RANK } },
  infer: (inputs, attrs) => {
    const shape = shapeAt(inputs, 0);
    return [f32(...permuted(shape, permOf(attrs, shape.length)))];
  },
  grad: (g) => {
    const dy = g.dOutput(0);
    const perm = permOf(g.attrs, g.inputType(0).shape.length);
    return [dy && g.builder.one(transpose, [dy], { perm: permutation(...inverse(perm)) })];
  },
  cost: free,
  reference: (inputs, attrs) => {
    const x = arrayAt(inputs, 0);
    const perm = permOf(attrs, x.shape.length);
    const shape = permuted(x.shape, perm);
    return [gather(shape, x.data, offsetsOf(shape, permuted(stridesOf(x.shape), perm)))];
  },
  samples: [
    { inputs: [f32()], attrs: { perm: permutation() } },
    { inputs: [f32(17)], attrs: { perm: permutation(0) } },
    { inputs: [f32(3, 5)], attrs: { perm: permutation(1, 0) } },
    { inputs: [f32(3, 5)], attrs: { perm: permutation(0, 1) }, note: 'identity' },
    { inputs: [f32(0, 7)], attrs: { perm: permutation(1, 0) } },
    { inputs: [f32(1, 33)], attrs: { perm: permutation(1, 0) } },
    { inputs: [f32(15, 16)], attrs: { perm: permutation(1, 0) } },
    { inputs: [f32(31, 65)], attrs: { perm: permutation(1, 0) } },
    { inputs: [f32(2, 3, 4)], attrs: { perm: permutation(2, 0, 1) } },
    { inputs: [f32(2, 17, 33)], attrs: { perm: permutation(0, 2, 1) } },
    { inputs: [f32(3, 5, 4, 7)], attrs: { perm: permutation(0, 2, 1, 3) }, note: 'heads of attention' },
    { inputs: [f32(2, 3, 4, 5, 2)], attrs: { perm: permutation(4, 2, 0, 3, 1) } },
    { inputs: [f32(2, 1, 2, 3, 1, 2, 2, 3)], attrs: { perm: permutation(7, 6, 5, 4, 3, 2, 1, 0) } },
    { inputs: [f32(4, 129, 4, 65)], attrs: { perm: permutation(0, 2, 1, 3) } },
    { inputs: [f32(257, 513)], attrs: { perm: permutation(1, 0) } },
  ],
});

interface Cut {
  readonly axis: number;
  readonly start: number;
  readonly size: number;
}
const cutOf = (attrs: Attrs): Cut => ({
  axis: numberOf(attrs, 'axis'),
  start: numberOf(attrs, 'start'),
  size: numberOf(attrs, 'size'),
});

function sliceShape(shape: Shape, { axis, start, size }: Cut): number[] {
  checkAxis(shape, axis);
  const length = dim(shape, axis);
  if (start + size <= length) return resized(shape, axis, size);
  throw new Unfit(`slice of axis ${axis} of ${showShape(shape)}`, `an end of at most ${length}`, `${start} + ${size}`);
}

export const slice = defineOp({
  name: 'slice',
  doc: 'The indices start to start + size - 1 of one axis.',
  inputs: { x: 'f32[...s]' },
  outputs: { y: 'f32[...t]' },
  attrs: { axis: 'u32', start: 'u32', size: 'u32' },
  infer: (inputs, attrs) => [f32(...sliceShape(shapeAt(inputs, 0), cutOf(attrs)))],
  grad: (g) => {
    const dy = g.dOutput(0);
    const { axis, start, size } = cutOf(g.attrs);
    const after = dim(g.inputType(0).shape, axis) - start - size;
    return [dy && g.builder.one(pad, [dy], { axis, before: start, after })];
  },
  cost: free,
  reference: (inputs, attrs) => {
    const x = arrayAt(inputs, 0);
    const { axis, start } = cutOf(attrs);
    const shape = sliceShape(x.shape, cutOf(attrs));
    const strides = stridesOf(x.shape);
    return [gather(shape, x.data, offsetsOf(shape, strides, start * dim(strides, axis)))];
  },
  samples: [
    { inputs: [f32(10)], attrs: { axis: 0, start: 3, size: 4 } },
    { inputs: [f32(10)], attrs: { axis: 0, start: 0, size: 10 }, note: 'everything' },
    { inputs: [f32(10)], attrs: { axis: 0, start: 10, size: 0 }, note: 'nothing, at the end' },
    { inputs: [f32(3, 65)], attrs: { axis: 1, start: 1, size: 63 } },
    { inputs: [f32(7, 33)], attrs: { axis: 0, start: 2, size: 4 } },
    { inputs: [f32(2, 5, 3, 4)], attrs: { axis: 1, start: 4, size: 1 } },
    { inputs: [f32(0, 5)], attrs: { axis: 1, start: 1, size: 2 } },
    { inputs: [f32(5, 200, 129)], attrs: { axis: 1, start: 17, size: 160 } },
  ],
});

interface Padding {
  readonly axis: number;
  readonly before: number;
  readonly after: number;
}
const paddingOf = (attrs: Attrs): Padding => ({
  axis: numberOf(attrs, 'axis'),
  before: numberOf(attrs, 'before'),
  after: numberOf(attrs, 'after'),
});

function padShape(shape: Shape, { axis, before, after }: Padding): number[] {
  checkAxis(shape, axis);
  return resized(shape, axis, dim(shape, axis) + before + after);
}

export const pad = defineOp({
  name: 'pad',
  doc: 'Zeros before and after, along one axis.',
  inputs: { x: 'f32[...s]' },
  outputs: { y: 'f32[...t]' },
  attrs: { axis: 'u32', before: 'u32', after: 'u32' },
  infer: (inputs, attrs) => [f32(...padShape(shapeAt(inputs, 0), paddingOf(attrs)))],
  grad: (g) => {
    const dy = g.dOutput(0);
    const { axis, before } = paddingOf(g.attrs);
    return [dy && g.builder.one(slice, [dy], { axis, start: before, size: dim(g.inputType(0).shape, axis) })];
  },
  cost: free,
  reference: (inputs, attrs) => {
    const x = arrayAt(inputs, 0);
    const { axis, before } = paddingOf(attrs);
    const y = ndArray(padShape(x.shape, paddingOf(attrs)));
    const strides = stridesOf(y.shape);
    const to = offsetsOf(x.shape, strides, before * dim(strides, axis));
    x.data.forEach((value, i) => (y.data[to[i]!] = value));
    return [y];
  },
  samples: [
    { inputs: [f32(5)], attrs: { axis: 0, before: 2, after: 3 } },
    { inputs: [f32(5)], attrs: { axis: 0, before: 0, after: 0 }, note: 'nothing to add' },
    { inputs: [f32(3, 17)], attrs: { axis: 1, before: 0, after: 15 } },
    { inputs: [f32(3, 17)], attrs: { axis: 0, before: 1, after: 0 } },
    { inputs: [f32(2, 0, 3)], attrs: { axis: 1, before: 1, after: 1 }, note: 'zeros alone' },
    { inputs: [f32(2, 3, 4, 5)], attrs: { axis: 2, before: 1, after: 2 } },
    { inputs: [f32(5, 160, 129)], attrs: { axis: 1, before: 17, after: 23 } },
  ],
});

function concatShape(shapes: readonly Shape[], axis: number): number[] {
  const first = shapes[0];
  if (!first) throw new Unfit('concat of nothing', 'at least one tensor', 'none');
  checkAxis(first, axis);
  for (const shape of shapes) {
    if (shape.length === first.length && sameShape(resized(shape, axis, 0), resized(first, axis, 0))) continue;
    const expected = `the shape ${showShape(first)} but for axis ${axis}`;
    throw new Unfit(`concat of ${showShape(first)} and ${showShape(shape)}`, expected, showShape(shape));
  }
  const total = shapes.reduce((sum, shape) => sum + dim(shape, axis), 0);
  return resized(first, axis, total);
}

export const concat = defineOp({
  name: 'concat',
  doc: 'The tensors one after another along an axis; all other axes are equal.',
  inputs: { 'xs*': 'f32[...s]' },
  outputs: { y: 'f32[...t]' },
  attrs: { axis: 'u32' },
  infer: (inputs, attrs) => {
    const shapes = inputs.map((_, i) => shapeAt(inputs, i));
    return [f32(...concatShape(shapes, numberOf(attrs, 'axis')))];
  },
  grad: (g) => {
    const dy = g.dOutput(0);
    const axis = numberOf(g.attrs, 'axis');
    let start = 0;
    return Array.from({ length: g.inputCount }, (_, i) => {
      const size = dim(g.inputType(i).shape, axis);
      const from = start;
      start += size;
      return dy && g.wants(i) ? g.builder.one(slice, [dy], { axis, start: from, size }) : null;
    });
  },
  cost: free,
  reference: (inputs, attrs) => {
    const arrays = inputs.map((_, i) => arrayAt(inputs, i));
    const axis = numberOf(attrs, 'axis');
    const y = ndArray(
      concatShape(
        arrays.map((a) => a.shape),
        axis,
      ),
    );
    const strides = stridesOf(y.shape);
    let start = 0;
    for (const x of arrays) {
      const to = offsetsOf(x.shape, strides, start * dim(strides, axis));
      x.data.forEach((value, i) => (y.data[to[i]!] = value));
      start += dim(x.shape, axis);
    }
    return [y];
  },
  samples: [
    { inputs: [f32(3)], attrs: { axis: 0 }, note: 'one tensor' },
    { inputs: [f32(3), f32(0), f32(5)], attrs: { axis: 0 } },
    { inputs: [f32(2, 15), f32(2, 17)], attrs: { axis: 1 } },
    { inputs: [f32(2, 3, 4), f32(2, 1, 4), f32(2, 2, 4)], attrs: { axis: 1 } },
    { inputs: [f32(4, 1), f32(4, 1), f32(4, 1), f32(4, 1), f32(4, 1)], attrs: { axis: 1 } },
    { inputs: [f32(2, 3, 2, 5), f32(2, 3, 2, 6)], attrs: { axis: 3 } },
    { inputs: [f32(300, 129), f32(300, 256)], attrs: { axis: 1 } },
    { inputs: [f32(400, 129), f32(500, 129)], attrs: { axis: 0 } },
  ],
});

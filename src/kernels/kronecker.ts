import { showType } from '../base/tensor-type.ts';
import type { Value } from '../ir/graph.ts';
import { add } from '../ops/elementwise.ts';
import { kronConv } from '../ops/kron-conv.ts';
import { kronLinear } from '../ops/kron-linear.ts';
import { ALGEBRAS, algebraTable } from '../ops/lib/algebras.ts';
import type { AlgebraName } from '../ops/lib/algebras.ts';
import { maybe, option, readChoice, readWhole, tensorOf } from './args.ts';
import { badShape, badValue } from './error.ts';
import { backwardOf, defineKernel } from './kernel.ts';
import { checkWindow, convAttrs, fromThree, spatialAxes, toThree, WINDOW } from './spatial.ts';
import { tensor } from './tensor.ts';
import type { Tensor } from './tensor.ts';

const SHARED = {
  /** The algebra [n, n, n], learned or one of `kronecker.algebra`. */
  A: tensorOf('f32[n, n, n]'),
  /** Added to every output [O]. */
  bias: maybe('f32[out]'),
};

function checkAlgebra(a: Value): void {
  if (a.type.shape[0]! < 1) throw badShape('A', 'f32[n, n, n] with n from 1', showType(a.type));
}

function checkSize(argument: string, what: string, value: Value, axis: number, size: number): void {
  const found = value.type.shape.at(axis)!;
  if (found !== size) throw badShape(argument, what, showType(value.type));
}

const linearKernel = defineKernel({
  name: 'kronecker.linear',
  args: {
    /** Rows [P, C]. */
    x: tensorOf('f32[rows, width]'),
    ...SHARED,
    /** The factors [n, O/n, C/n]. */
    F: tensorOf('f32[n, outs, ins]'),
  },
  outputs: {
    /** [P, O]. */
    y: 'dy',
  },
  build: (b, { x, A, F, bias }, { n, outs, ins }) => {
    checkAlgebra(A);
    checkSize('x', `f32[P, C] with C = n·${ins} = ${n! * ins!}`, x, 1, n! * ins!);
    if (bias) checkSize('bias', `f32[O] with O = n·${outs} = ${n! * outs!}`, bias, 0, n! * outs!);
    const y = b.one(kronLinear, [x, A, F]);
    return { y: bias ? b.one(add, [y, bias]) : y };
  },
});

const convKernel = defineKernel({
  name: 'kronecker.conv',
  args: {
    /** Images [B, …S, C] of one to three axes S, channels last. */
    x: tensorOf('f32[...image, width]'),
    ...SHARED,
    /** The factors [n, O/n, …K, C/(groups·n)]. */
    F: tensorOf('f32[...factor, ins]'),
    ...WINDOW,
    /** Groups of channels; O/n and C/n are multiples. Default 1. */
    groups: option({ read: readWhole(1), default: 1 }),
  },
  outputs: {
    /** [B, …S', O] with S' = floor((S + 2·padding − dilation·(K − 1) − 1)/stride) + 1. */
    y: 'dy',
  },
  build: (b, { x, A, F, bias, groups, ...window }, { n, ins }) => {
    checkAlgebra(A);
    const axes = spatialAxes(x);
    const shape = F.type.shape;
    const fits = shape.length === axes + 3 && shape[0] === n;
    if (!fits) throw badShape('F', `f32[n, O/n, …K, C/n] with n = ${n} and ${axes} axes K`, showType(F.type));
    checkSize('x', `f32[B, …S, C] with C = n·groups·${ins} = ${n! * groups * ins!}`, x, -1, n! * groups * ins!);
    if (bias) checkSize('bias', `f32[O] with O = n·${shape[1]} = ${n! * shape[1]!}`, bias, 0, n! * shape[1]!);
    if (shape[1]! % groups !== 0) throw badValue('groups', `a divisor of O/n = ${shape[1]}`, String(groups));
    const attrs = convAttrs(window, axes, groups);
    checkWindow(x, F, 'F', shape.slice(2, -1), attrs);
    const y = b.one(kronConv, [toThree(b, x, 1, axes), A, toThree(b, F, 2, axes)], attrs);
    return { y: fromThree(b, bias ? b.one(add, [y, bias]) : y, axes) };
  },
});

function algebra(name: AlgebraName): Tensor {
  const known = readChoice(Object.keys(ALGEBRAS) as AlgebraName[])(name, 'name');
  const n = ALGEBRAS[known];
  return tensor(algebraTable(known), [n, n, n]);
}

/**
 * Hypercomplex layers, whose weight is a sum of Kronecker products: W[p·O/n + o, …κ, q·C/n + c] = Σ_i A[i, p, q]·F[i, o, κ, c].
 * (Zhang et al. 2021, "Beyond fully-connected layers with quaternions"; Grassucci et al. 2022.)
 */
export const kronecker = {
  /** y = x·Wᵀ + bias without W: x [P, C], A [n, n, n], F [n, O/n, C/n], bias [O] -> `{ y, ctx }`. Throws a TenonError that names what does not fit. */
  linear: linearKernel.call,
  /** `linear`, here and now. */
  linearSync: linearKernel.callSync,
  /** A convolution by W without all of it: x [B, …S, C], A [n, n, n], F [n, O/n, …K, C/(g·n)], bias [O] -> `{ y, ctx }`. Throws a TenonError that names what does not fit. */
  conv: convKernel.call,
  /** `conv`, here and now. */
  convSync: convKernel.callSync,
  /** The table A [n, n, n] of a fixed algebra, for left products: 'real', 'complex', 'quaternion' or 'octonion' (Cayley and Dickson; Baez 2002). */
  algebra,
  ...backwardOf(linearKernel, convKernel),
};

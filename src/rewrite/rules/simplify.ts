import { sameShape, sameType } from '../../base/tensor-type.ts';
import type { Node, Value } from '../../ir/graph.ts';
import { add, affine, div, mul, neg, sub } from '../../ops/elementwise.ts';
import { matmul } from '../../ops/matmul.ts';
import { fill } from '../../ops/random.ts';
import { broadcastTo, sum } from '../../ops/reduce.ts';
import { concat, pad, permutation, reshape, slice, transpose } from '../../ops/shape.ts';
import type { Rule } from '../rewrite.ts';
import { allButLast, inputOf, listAttr, madeBy, numberAttr, reshaped, typeOf } from './match.ts';

/** Laws that leave less to do. All hold in real numbers; in floats up to the last bit, and the sign of zero. */
export const SIMPLIFY: readonly Rule[] = [
  {
    name: 'nothing to do',
    apply: (node) => {
      const x = node.inputs[0];
      return x && doesNothing(node, x) ? [x] : null;
    },
  },
  {
    name: 'affine of affine',
    apply: (node, m) => {
      const inner = node.op === affine ? madeBy(affine, node.inputs[0]) : null;
      if (!inner) return null;
      const [scale, shift] = [numberAttr(node.attrs, 'scale'), numberAttr(node.attrs, 'shift')];
      const attrs = {
        scale: scale * numberAttr(inner.attrs, 'scale'),
        shift: scale * numberAttr(inner.attrs, 'shift') + shift,
      };
      return [m.one(affine, [inputOf(inner, 0)], attrs)];
    },
  },
  {
    name: 'reshape of reshape',
    apply: (node, m) => {
      const inner = node.op === reshape ? madeBy(reshape, node.inputs[0]) : null;
      return inner && [m.one(reshape, [inputOf(inner, 0)], node.attrs)];
    },
  },
  {
    name: 'transpose of transpose',
    apply: (node, m) => {
      const inner = node.op === transpose ? madeBy(transpose, node.inputs[0]) : null;
      if (!inner) return null;
      const rank = typeOf(node).shape.length;
      const before = listAttr(inner.attrs, 'perm');
      const perm = listAttr(node.attrs, 'perm').slice(0, rank);
      return [m.one(transpose, [inputOf(inner, 0)], { perm: permutation(...perm.map((p) => before[p]!)) })];
    },
  },
  {
    name: 'negative of negative',
    apply: (node) => {
      const inner = node.op === neg ? madeBy(neg, node.inputs[0]) : null;
      return inner && [inputOf(inner, 0)];
    },
  },
  {
    name: 'matmul of transpose',
    apply: (node, m) => {
      if (node.op !== matmul) return null;
      const sides = node.inputs.map((v) => swapped(v));
      if (sides.every((s) => s === null)) return null;
      const flip = (name: string, side: Value | null): number => numberAttr(node.attrs, name) ^ (side ? 1 : 0);
      const attrs = { ...node.attrs, transA: flip('transA', sides[0]!), transB: flip('transB', sides[1]!) };
      return [
        m.one(
          matmul,
          node.inputs.map((v, i) => sides[i] ?? v),
          attrs,
        ),
      ];
    },
  },
  {
    name: 'sum over all but the last axis of a reshape that keeps it',
    apply: (node, m) => {
      const inner = node.op === sum ? madeBy(reshape, node.inputs[0]) : null;
      const x = inner && inputOf(inner, 0);
      if (!x || x.type.shape.length < 2 || x.type.shape.at(-1) !== typeOf(inner).shape.at(-1)) return null;
      if (numberAttr(node.attrs, 'axes') !== allButLast(typeOf(inner).shape.length)) return null;
      return [reshaped(m.one(sum, [x], { axes: allButLast(x.type.shape.length) }), node, m)];
    },
  },
  {
    name: 'one value everywhere',
    apply: (node, m) => {
      const value = filledWith(node.inputs[0]);
      if (value === null) return null;
      const { shape } = typeOf(node);
      if (node.op === reshape || node.op === broadcastTo) return [m.one(fill, [], { dims: shape, value })];
      if (node.op !== affine) return null;
      const [scale, shift] = [numberAttr(node.attrs, 'scale'), numberAttr(node.attrs, 'shift')];
      return [m.one(fill, [], { dims: shape, value: value * scale + shift })];
    },
  },
  {
    name: 'arithmetic with one value',
    apply: (node, m) => {
      for (const [x, other, first] of [
        [node.inputs[0], node.inputs[1], true],
        [node.inputs[1], node.inputs[0], false],
      ] as const) {
        const attrs = x && sameType(x.type, typeOf(node)) ? asAffine(node, filledWith(other), first) : null;
        if (x && attrs) return [m.one(affine, [x], attrs)];
      }
      return null;
    },
  },
];

const sameDims = (node: Node, x: Value): boolean => sameShape(typeOf(node).shape, x.type.shape);

function doesNothing(node: Node, x: Value): boolean {
  const { op, attrs } = node;
  if (op === affine) return numberAttr(attrs, 'scale') === 1 && numberAttr(attrs, 'shift') === 0;
  // With equal shapes each of these copies: a sum is over axes of one element.
  if (op === reshape || op === broadcastTo || op === sum || op === slice || op === pad) return sameDims(node, x);
  if (op === concat) return node.inputs.length === 1;
  if (op === transpose) return listAttr(attrs, 'perm').every((p, i) => i >= x.type.shape.length || p === i);
  return false;
}

// What was transposed, where a value is that and only the last two axes changed places.
function swapped(value: Value | null): Value | null {
  const node = madeBy(transpose, value);
  if (!node) return null;
  const rank = typeOf(node).shape.length;
  const wanted = rank === 2 ? [1, 0] : [0, 2, 1];
  const perm = listAttr(node.attrs, 'perm').slice(0, rank);
  return sameShape(perm, wanted) ? inputOf(node, 0) : null;
}

function filledWith(value: Value | null | undefined): number | null {
  const node = madeBy(fill, value);
  return node && numberAttr(node.attrs, 'value');
}

// x op value, or value op x where x is not the first: as scale and shift.
function asAffine(node: Node, value: number | null, first: boolean): { scale: number; shift: number } | null {
  if (value === null) return null;
  if (node.op === add) return { scale: 1, shift: value };
  if (node.op === mul) return { scale: value, shift: 0 };
  if (node.op === sub) return first ? { scale: 1, shift: -value } : { scale: -1, shift: value };
  if (node.op === div && first && value !== 0) return { scale: 1 / value, shift: 0 };
  return null;
}

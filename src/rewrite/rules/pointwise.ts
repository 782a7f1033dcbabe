import { numel } from '../../base/tensor-type.ts';
import type { Node, Value } from '../../ir/graph.ts';
import { conv, convAct, convInputGrad, convWeightGrad } from '../../ops/conv.ts';
import { linear } from '../../ops/linear.ts';
import { matmul } from '../../ops/matmul.ts';
import { reshape } from '../../ops/shape.ts';
import type { Match, Rule } from '../rewrite.ts';
import { inputOf, listAttr, numberAttr, reshaped } from './match.ts';

const ops = [conv, convAct, convInputGrad, convWeightGrad];

/** Whether a convolution, or a gradient of one, has one tap at every position. */
export function isPointwise(node: Node): boolean {
  if (!ops.includes(node.op) || numberAttr(node.attrs, 'groups') !== 1) return false;
  const kernel = node.op === convWeightGrad ? listAttr(node.attrs, 'kernel') : inputOf(node, 1).type.shape.slice(1, 4);
  const isAll = (name: string, value: number): boolean => listAttr(node.attrs, name).every((v) => v === value);
  return kernel.every((k) => k === 1) && isAll('stride', 1) && isAll('padBefore', 0) && isAll('padAfter', 0);
}

/** Convolutions of one tap are products of matrices, and all that is known of those holds for them. */
export const POINTWISE: readonly Rule[] = [
  {
    name: 'pointwise convolution as a product',
    apply: (node, m) => {
      if (!isPointwise(node)) return null;
      const [x, y] = [rows(inputOf(node, 0), m), rows(inputOf(node, 1), m)];
      return [reshaped(product(node, x, y, m), node, m)];
    },
  },
];

// The last axis by all others; weights have theirs in front.
function rows(value: Value, m: Match): Value {
  const channels = value.type.shape.at(-1)!;
  return m.one(reshape, [value], { dims: [numel(value.type.shape.slice(0, -1)), channels] });
}

function product(node: Node, first: Value, second: Value, m: Match): Value {
  if (node.op === convInputGrad) return m.one(matmul, [first, second], { transA: 0, transB: 0 });
  if (node.op === convWeightGrad) return m.one(matmul, [second, first], { transA: 1, transB: 0 });
  if (node.op === conv) return m.one(matmul, [first, second], { transA: 0, transB: 1 });
  return m.one(linear, [first, second, node.inputs[2] ?? null, null], { activation: node.attrs['activation']! });
}

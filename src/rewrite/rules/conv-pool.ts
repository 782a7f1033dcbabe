import { sameShape } from '../../base/tensor-type.ts';
import { attrsKey } from '../../ir/attrs.ts';
import type { Node, Value } from '../../ir/graph.ts';
import { conv, convAct } from '../../ops/conv.ts';
import { convMaxpool, convPool, touching } from '../../ops/conv-pool.ts';
import { relu } from '../../ops/elementwise.ts';
import { avgpool, maxpool } from '../../ops/pool.ts';
import type { Match, Rule } from '../rewrite.ts';
import { inputOf, listAttr, onlyUse, reshaped, typeOf } from './match.ts';
import { isPointwise } from './pointwise.ts';

// A tile of Winograd's transforms holds whole windows of these sides.
const SIDES: readonly number[] = [1, 2, 4];

/** Pooling into the convolution before it, where windows touch and nothing else reads its results: they are never in memory. */
export const CONV_POOL: readonly Rule[] = [
  {
    name: 'pooling into convolution',
    apply: (node, m) => {
      if (node.op !== maxpool && node.op !== avgpool) return null;
      const made = onlyUse(inputOf(node, 0), m);
      const window = listAttr(node.attrs, 'kernel').slice(1);
      if (!made || !window.every((side) => SIDES.includes(side))) return null;
      if (attrsKey(node.attrs) !== attrsKey(touching(window))) return null;
      return sameShape(inputOf(node, 0).type.shape, typeOf(made).shape) ? pooled(node, made, window, m) : null;
    },
  },
  {
    // The larger of two numbers and 0 is that of their relus.
    name: 'relu into pooled convolution',
    apply: (node, m) => {
      const made = node.op === relu ? onlyUse(inputOf(node, 0), m) : null;
      if (made?.op !== convPool || made.attrs['pool'] !== 'max' || made.attrs['activation'] !== 'none') return null;
      return [reshaped(m.one(convPool, made.inputs, { ...made.attrs, activation: 'relu' }), node, m)];
    },
  },
];

function pooled(node: Node, made: Node, window: readonly number[], m: Match): readonly Value[] | null {
  if ((made.op !== conv && made.op !== convAct) || isPointwise(made)) return null;
  const inputs = made.op === conv ? [...made.inputs, null] : made.inputs;
  const attrs = { activation: 'none', ...made.attrs, window };
  const places: Value = { source: node, index: 1, type: node.types[1]! };
  if (node.op === maxpool && m.uses(places) > 0) return m.all(convMaxpool, inputs, attrs);
  const y = m.one(convPool, inputs, { ...attrs, pool: node.op === maxpool ? 'max' : 'mean' });
  return node.op === maxpool ? [y, y] : [y];
}

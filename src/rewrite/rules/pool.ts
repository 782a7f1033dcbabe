import { numel, sameShape } from '../../base/tensor-type.ts';
import type { Node, Value } from '../../ir/graph.ts';
import { attrsKey } from '../../ir/attrs.ts';
import { sameValue } from '../../ir/value.ts';
import { geluGrad, geluTanhGrad, reluGrad, sigmoidGrad, siluGrad, tanhGrad } from '../../ops/elementwise.ts';
import { maxpool, maxpoolGather, maxpoolGrad } from '../../ops/pool.ts';
import { sum } from '../../ops/reduce.ts';
import type { Rule } from '../rewrite.ts';
import { behindShapes, inputOf, madeBy, numberAttr, onlyUse, reshaped, typeOf } from './match.ts';

const FROM_OUTPUT = [reluGrad, tanhGrad, sigmoidGrad];
const FROM_INPUT = [geluGrad, geluTanhGrad, siluGrad];
const SPATIAL = 0b01110;

/** Backward through pooling: work is done on the pooled side, where there is less of it. */
export const POOL: readonly Rule[] = [
  {
    // A gradient is scaled by a slope that follows from y where it lands, and it lands where y is the pooled value. So y need not be kept.
    name: 'slope before the gradient of pooling',
    apply: (node, m) => {
      if (!FROM_OUTPUT.includes(node.op)) return null;
      const scatter = onlyUse(inputOf(node, 1), m);
      const pool = scatter?.op === maxpoolGrad ? poolOf(scatter) : null;
      if (!scatter || !pool || !sameValue(behindShapes(inputOf(pool, 0)), behindShapes(inputOf(node, 0)))) return null;
      if (!sameShape(inputOf(pool, 0).type.shape, typeOf(scatter).shape)) return null;
      const pooled: Value = { source: pool, index: 0, type: typeOf(pool) };
      const scaled = m.one(node.op, [pooled, inputOf(scatter, 0)]);
      return [reshaped(m.one(maxpoolGrad, [scaled, inputOf(scatter, 1)], scatter.attrs), node, m)];
    },
  },
  {
    // A slope that follows from x is needed only where a gradient lands: it is gathered from there. Not worth it where windows overlap much.
    name: 'slope at the winners of pooling',
    apply: (node, m) => {
      if (!FROM_INPUT.includes(node.op)) return null;
      const scatter = onlyUse(inputOf(node, 1), m);
      if (scatter?.op !== maxpoolGrad) return null;
      const [dy, index] = [inputOf(scatter, 0), inputOf(scatter, 1)];
      if (2 * numel(dy.type.shape) > numel(typeOf(scatter).shape)) return null;
      const { size: _, ...window } = scatter.attrs;
      const winners = m.one(maxpoolGather, [reshaped(inputOf(node, 0), scatter, m), index], window);
      const scaled = m.one(node.op, [winners, dy]);
      return [reshaped(m.one(maxpoolGrad, [scaled, index], scatter.attrs), node, m)];
    },
  },
  {
    // Every gradient lands in exactly one place.
    name: 'sum of the gradient of pooling',
    apply: (node, m) => {
      const scatter = node.op === sum ? madeBy(maxpoolGrad, node.inputs[0]) : null;
      if (!scatter || (numberAttr(node.attrs, 'axes') & SPATIAL) !== SPATIAL) return null;
      return [m.one(sum, [inputOf(scatter, 0)], node.attrs)];
    },
  },
];

// The pooling whose winners a gradient goes back to.
function poolOf(scatter: Node): Node | null {
  const { source, index } = inputOf(scatter, 1);
  if (source.kind !== 'node' || source.op !== maxpool || index !== 1) return null;
  const window = Object.fromEntries(Object.keys(source.attrs).map((name) => [name, scatter.attrs[name]!]));
  return attrsKey(window) === attrsKey(source.attrs) ? source : null;
}

import { sameShape } from '../../base/tensor-type.ts';
import type { Node, Value } from '../../ir/graph.ts';
import type { Attrs, OpDef } from '../../ir/op.ts';
import { ACTIVATION_OPS, ACTIVATIONS } from '../../ops/activation.ts';
import { conv, convAct } from '../../ops/conv.ts';
import { add } from '../../ops/elementwise.ts';
import { kronConv, kronConvAct } from '../../ops/kron-conv.ts';
import { kronLinear, kronLinearAct } from '../../ops/kron-linear.ts';
import { linear } from '../../ops/linear.ts';
import { matmul } from '../../ops/matmul.ts';
import type { Match, Rule } from '../rewrite.ts';
import { inputOf, numberAttr, onlyUse, reshaped, typeOf, withEither } from './match.ts';

/** What a product is as a fused op: its inputs and attributes, without bias and activation. */
interface Product {
  readonly fused: OpDef;
  readonly inputs: readonly (Value | null)[];
  readonly attrs: Attrs;
}

/**
 * Bias and activation go into the product before them, where nothing else uses what lies between; another shape of it in between does not matter.
 * An activation whose gradient reads its output (relu, tanh, sigmoid) so fuses in training too.
 */
export const FUSE: readonly Rule[] = [
  {
    name: 'bias into product',
    apply: (node, m) => {
      if (node.op !== add) return null;
      return (
        withBias(node, inputOf(node, 0), inputOf(node, 1), m) ?? withBias(node, inputOf(node, 1), inputOf(node, 0), m)
      );
    },
  },
  {
    name: 'activation into product',
    apply: (node, m) => {
      const activation = ACTIVATIONS.find((name) => ACTIVATION_OPS[name] === node.op);
      if (!activation) return null;
      const made = onlyUse(inputOf(node, 0), m);
      const product = made && (plain(made) ?? unactivated(made));
      if (!product) return null;
      return [reshaped(m.one(product.fused, product.inputs, { ...product.attrs, activation }), node, m)];
    },
  },
  {
    name: 'residual into product',
    apply: (node, m) => (node.op === add ? withEither(node, (y, more) => withResidual(node, y, more, m)) : null),
  },
];

const precisionOf = (node: Node): Attrs => ({ precision: node.attrs['precision']! });

function withResidual(node: Node, y: Value, more: Value, m: Match): readonly Value[] | null {
  const made = onlyUse(y, m);
  if (made?.op !== linear || made.inputs[3]) return null;
  const inputs = [...made.inputs.slice(0, 3), reshaped(more, made, m)];
  return [reshaped(m.one(linear, inputs, made.attrs), node, m)];
}

/** Products and what they become with bias (their last input) and activation. */
const FUSED: ReadonlyMap<OpDef, OpDef> = new Map([
  [conv, convAct],
  [kronLinear, kronLinearAct],
  [kronConv, kronConvAct],
]);

// One of them, or x·wᵀ over rows.
function plain(node: Node): Product | null {
  const fused = FUSED.get(node.op);
  if (fused) return { fused, inputs: [...node.inputs, null], attrs: node.attrs };
  const isLinear = node.op === matmul && typeOf(node).shape.length === 2 && numberAttr(node.attrs, 'transA') === 0;
  if (!isLinear || numberAttr(node.attrs, 'transB') === 0) return null;
  return { fused: linear, inputs: [...node.inputs, null, null], attrs: precisionOf(node) };
}

const UNACTIVATED: ReadonlySet<OpDef> = new Set([linear, ...FUSED.values()]);

function unactivated(node: Node): Product | null {
  if (!UNACTIVATED.has(node.op)) return null;
  if (node.op === linear && node.inputs[3]) return null;
  return node.attrs['activation'] === 'none' ? { fused: node.op, inputs: node.inputs, attrs: node.attrs } : null;
}

function withBias(node: Node, y: Value, bias: Value, m: Match): readonly Value[] | null {
  const made = onlyUse(y, m);
  const product = made && plain(made);
  if (!product) return null;
  const features = typeOf(made).shape.at(-1)!;
  const isBias = sameShape(bias.type.shape, [features]) && y.type.shape.at(-1) === features;
  if (!isBias || !sameShape(y.type.shape, typeOf(node).shape)) return null;
  const attrs = { ...product.attrs, activation: 'none' };
  // The first that is absent is the bias.
  const place = product.inputs.indexOf(null);
  const inputs = product.inputs.map((v, i) => (i === place ? bias : v));
  return [reshaped(m.one(product.fused, inputs, attrs), node, m)];
}

import { numel } from '../../base/tensor-type.ts';
import type { Node, Value } from '../../ir/graph.ts';
import { nodeValue, sameValue } from '../../ir/value.ts';
import { ACTIVATION_GRADS, ACTIVATION_OPS } from '../../ops/activation.ts';
import { add, mul } from '../../ops/elementwise.ts';
import { layernormGrad } from '../../ops/norm.ts';
import { linear, linearInputGrad, linearWeightGrad, linearWithSlope } from '../../ops/linear.ts';
import { matmul } from '../../ops/matmul.ts';
import { sum } from '../../ops/reduce.ts';
import type { Match, Rule } from '../rewrite.ts';
import {
  allButLast,
  behindShapes,
  inputOf,
  madeBy,
  numberAttr,
  onlyUse,
  readersBehind,
  reshaped,
  typeOf,
  withEither,
} from './match.ts';

/** Activations whose gradient reads what was before them. */
const FROM_INPUT = ['gelu', 'gelu_tanh', 'silu'] as const;

// Weight gradients pay where rows are many; without as many, where a bias has its gradient from the same rows.
const MANY_ROWS = 1024;
// Larger ones are products with packed sides as any others: their sums do not stay in the second cache.
const MANY_WEIGHTS = 1 << 18;

/** Backward through products: less is kept, and less is read twice. */
export const BACKWARD: readonly Rule[] = [
  {
    name: 'factor into the gradient of a product',
    apply: (node, m) =>
      node.op === mul ? withEither(node, (y, factor) => intoInputGrad(node, y, { factor }, m)) : null,
  },
  {
    name: 'sum into the gradient of a product',
    apply: (node, m) => (node.op === add ? withEither(node, (y, more) => intoInputGrad(node, y, { more }, m)) : null),
  },
  {
    name: 'sum into the gradient of a layer normalisation',
    apply: (node, m) => {
      const sums = node.op === layernormGrad ? m.readers(nodeValue(node, 0)) : [node];
      const [only] = sums;
      if (sums.length !== 1 || only?.op !== add) return null;
      return withEither(only, (dx, more) => {
        const grad = madeBy(layernormGrad, dx);
        if (!grad || (node !== only && node !== grad) || m.uses(dx) !== 1) return null;
        if (grad.inputs[5] || !isBefore(more, grad)) return null;
        const values = m.all(layernormGrad, [...grad.inputs.slice(0, 5), more]);
        return node === only ? values.slice(0, 1) : values;
      });
    },
  },
  {
    // Of what was before the activation only its slope is used: that is kept instead, made with the activation.
    name: 'activation with its slope',
    apply: (node, m) => {
      const name = FROM_INPUT.find((a) => node.op === ACTIVATION_OPS[a] || node.op === ACTIVATION_GRADS[a]);
      const z = name && behindShapes(inputOf(node, 0));
      if (!z || z.source.kind !== 'node' || z.source.op !== linear) return null;
      const { source } = z;
      if (source.attrs['activation'] !== 'none' || source.inputs[3]) return null;
      const both = [ACTIVATION_OPS[name]!, ACTIVATION_GRADS[name]!];
      const ops = new Set(readersBehind(z, m).map((reader) => reader?.op));
      if (ops.size !== 2 || !both.every((op) => ops.has(op))) return null;
      if (node.op === ACTIVATION_GRADS[name] && sameValue(behindShapes(inputOf(node, 1)), z)) return null;
      const [y, slope] = m.all(linearWithSlope, source.inputs.slice(0, 3), { ...source.attrs, activation: name });
      if (node.op === ACTIVATION_OPS[name]) return [reshaped(y!, node, m)];
      return [m.one(mul, [reshaped(slope!, node, m), inputOf(node, 1)])];
    },
  },
  {
    name: 'gradient of a weight',
    apply: (node, m) => {
      if (node.op !== matmul || typeOf(node).shape.length !== 2) return null;
      if (numberAttr(node.attrs, 'transA') !== 1 || numberAttr(node.attrs, 'transB') !== 0) return null;
      if (node.attrs['precision'] !== 'f32') return null;
      const dy = inputOf(node, 0);
      const pays = dy.type.shape[0]! >= MANY_ROWS || summed(dy, m);
      return pays && numel(typeOf(node).shape) <= MANY_WEIGHTS ? [m.one(linearWeightGrad, node.inputs)] : null;
    },
  },
  {
    name: 'gradient of a bias with that of the weight',
    apply: (node, m) => {
      if (!isBiasGrad(node)) return null;
      const dy = behindShapes(inputOf(node, 0));
      const weight = readersBehind(dy, m).find(
        (r) => r?.op === linearWeightGrad && sameValue(behindShapes(inputOf(r, 0)), dy),
      );
      if (!weight?.inputs.every((v) => isBefore(v!, node))) return null;
      return [reshaped(m.all(linearWeightGrad, weight.inputs)[1]!, node, m)];
    },
  },
];

const isBefore = ({ source }: Value, node: Node): boolean => source.kind !== 'node' || source.id < node.id;

const isBiasGrad = (node: Node): boolean =>
  node.op === sum && numberAttr(node.attrs, 'axes') === allButLast(inputOf(node, 0).type.shape.length);

// Whether the gradient of a bias is made from the same rows.
const summed = (dy: Value, m: Match): boolean =>
  readersBehind(behindShapes(dy), m).some((r) => r !== null && isBiasGrad(r));

// dy·weight, the gradient of the x of x·weightᵀ, as the fused op of that.
function inputGrad(node: Node | null): Pick<Node, 'inputs' | 'attrs'> | null {
  if (node?.op === linearInputGrad) return node;
  if (node?.op !== matmul || typeOf(node).shape.length !== 2) return null;
  const plain = numberAttr(node.attrs, 'transA') === 0 && numberAttr(node.attrs, 'transB') === 0;
  return plain ? { inputs: [...node.inputs, null, null], attrs: { precision: node.attrs['precision']! } } : null;
}

// y times a factor, then plus more.
function intoInputGrad(
  node: Node,
  y: Value,
  { factor, more }: { readonly factor?: Value; readonly more?: Value },
  m: Match,
): readonly Value[] | null {
  const made = onlyUse(y, m);
  const grad = inputGrad(made);
  if (!made || !grad || grad.inputs[3] || (factor && grad.inputs[2])) return null;
  const [dy, weight, before] = grad.inputs;
  const like = (value: Value | undefined): Value | null => (value ? reshaped(value, made, m) : null);
  const inputs = [dy!, weight!, like(factor) ?? before ?? null, like(more)];
  return [reshaped(m.one(linearInputGrad, inputs, grad.attrs), node, m)];
}

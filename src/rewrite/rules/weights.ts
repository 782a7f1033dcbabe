import { sameShape } from '../../base/tensor-type.ts';
import type { Node, Value } from '../../ir/graph.ts';
import { add } from '../../ops/elementwise.ts';
import { kronLinear, kronLinearAct } from '../../ops/kron-linear.ts';
import { kronWeight } from '../../ops/kron-weight.ts';
import { linear } from '../../ops/linear.ts';
import { matmul } from '../../ops/matmul.ts';
import type { Match, Rule } from '../rewrite.ts';
import { inputOf, numberAttr, onlyUse, trains, typeOf } from './match.ts';
import { tuckerInto } from './tucker.ts';

/** Weights that are made and then used once: the product never forms them, where that is less work. `training`: gradients are still to be taken. */
export const weightRules = (training: boolean): readonly Rule[] => [
  tuckerInto(training),
  {
    name: 'Kronecker weight into product',
    apply: (node, m) => {
      const made = weightOf(node, kronWeight, m);
      if (!made || numberAttr(made.attrs, 'groups') !== 1 || inputOf(made, 1).type.shape.length !== 3) return null;
      const inputs = [inputOf(node, 0), inputOf(made, 0), inputOf(made, 1)];
      if (node.op === matmul) return [m.one(kronLinear, inputs)];
      return [m.one(kronLinearAct, [...inputs, node.inputs[2] ?? null], { activation: node.attrs['activation']! })];
    },
  },
  {
    name: 'weight of low rank as two products',
    apply: (node, m) => {
      const made = weightOf(node, matmul, m);
      if (!made || !isLowRank(made)) return null;
      const [x, u, v] = [inputOf(node, 0), inputOf(made, 0), inputOf(made, 1)];
      if (!isLess(x, u, v)) return null;
      const low = m.one(matmul, [x, v], { transA: 0, transB: 1, precision: node.attrs['precision']! });
      return [m.one(node.op, [low, u, ...node.inputs.slice(2)], node.attrs)];
    },
  },
  {
    name: 'change of low rank beside its base',
    apply: (node, m) => {
      const whole = weightOf(node, add, m);
      if (!whole || (node.op === linear && node.attrs['activation'] !== 'none')) return null;
      const parts = [0, 1].map((i) => onlyUse(inputOf(whole, i), m));
      const change = parts.findIndex(
        (p) => p?.op === matmul && isLowRank(p) && sameShape(typeOf(p).shape, typeOf(whole).shape),
      );
      if (change < 0) return null;
      const [base, made] = [inputOf(whole, 1 - change), parts[change]!];
      const [x, u, v] = [inputOf(node, 0), inputOf(made, 0), inputOf(made, 1)];
      if (!sameShape(base.type.shape, typeOf(whole).shape) || !isLessBeside(base, x, u, v, training)) return null;
      const plain = { transA: 0, transB: 1, precision: node.attrs['precision']! };
      const product = m.one(node.op, [x, base, ...node.inputs.slice(2)], node.attrs);
      return [m.one(add, [product, m.one(matmul, [m.one(matmul, [x, v], plain), u], plain)])];
    },
  },
];

const isLowRank = (made: Node): boolean =>
  typeOf(made).shape.length === 2 && numberAttr(made.attrs, 'transA') === 0 && numberAttr(made.attrs, 'transB') === 0;

// What makes the weight [out, in] of x·weightᵀ, if nothing else uses it.
function weightOf(node: Node, op: Node['op'], m: Match): Node | null {
  const isProduct =
    (node.op === matmul && numberAttr(node.attrs, 'transA') === 0 && numberAttr(node.attrs, 'transB') === 1) ||
    (node.op === linear && !node.inputs[3]);
  if (!isProduct || typeOf(node).shape.length !== 2) return null;
  const weight = inputOf(node, 1);
  const { source } = weight;
  return source.kind === 'node' && source.op === op && m.uses(weight) === 1 ? source : null;
}

// rows·r·(out + in) multiplications against out·in·(rows + r).
function isLess(x: Value, u: Value, v: Value): boolean {
  const rows = x.type.shape[0]!;
  const [out, rank] = u.type.shape as readonly [number, number];
  const width = v.type.shape[1]!;
  return rows * rank * (out + width) < out * width * (rows + rank);
}

// rows·r·(out + in) multiplications against the out·in·r of the change and the adding. A base that does not train needs
// no gradient of its own, if its change is not a part of it.
function isLessBeside(base: Value, x: Value, u: Value, v: Value, training: boolean): boolean {
  const rows = x.type.shape[0]!;
  const [out, rank] = u.type.shape as readonly [number, number];
  const width = v.type.shape[1]!;
  if (rank * (out + width) >= out * width) return false;
  return (training && !trains(base)) || rows * rank * (out + width) < out * width * (rank + 1);
}

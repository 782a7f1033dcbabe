import type { Node, Value } from '../../ir/graph.ts';
import type { Attrs } from '../../ir/op.ts';
import { ACTIVATION_OPS } from '../../ops/activation.ts';
import type { Activation } from '../../ops/activation.ts';
import { conv, convAct } from '../../ops/conv.ts';
import { add } from '../../ops/elementwise.ts';
import { linear } from '../../ops/linear.ts';
import { matmul } from '../../ops/matmul.ts';
import { reshape } from '../../ops/shape.ts';
import { factoredMacs, madeMacs, tuckerConv } from '../../ops/tucker-conv.ts';
import { makeTucker, tuckerWeight } from '../../ops/tucker-weight.ts';
import type { Match, Rule } from '../rewrite.ts';
import { inputOf, listAttr, numberAttr, onlyUse, trains, typeOf } from './match.ts';

/** A product of rows and a weight [out, …, in], as a convolution. */
interface Product {
  readonly x: Value;
  readonly weight: Value;
  readonly bias: Value | null;
  readonly activation: Activation;
  readonly attrs: Attrs;
}

const ONE_TAP: Attrs = {
  stride: [1, 1, 1],
  padBefore: [0, 0, 0],
  padAfter: [0, 0, 0],
  dilation: [1, 1, 1],
  groups: 1,
  winograd: 'on',
};

function productOf(node: Node): Product | null {
  const { op, inputs, attrs } = node;
  const made = (given: Attrs, more: Partial<Product> = {}): Product => ({
    ...{ x: inputOf(node, 0), weight: inputOf(node, 1), bias: null, activation: 'none' as const, attrs: given },
    ...more,
  });
  const fused = { bias: inputs[2] ?? null, activation: attrs['activation'] as Activation };
  const { activation: _, ...window } = attrs;
  if (op === matmul) {
    const plain = typeOf(node).shape.length === 2 && numberAttr(attrs, 'transA') === 0;
    return plain && numberAttr(attrs, 'transB') === 1 ? made(ONE_TAP) : null;
  }
  if (op === linear) return inputs[3] ? null : made(ONE_TAP, fused);
  if (op !== conv && op !== convAct) return null;
  if (numberAttr(attrs, 'groups') !== 1) return null;
  return op === conv ? made(attrs) : made(window, fused);
}

/** base + a core under factors along the first and the last axis at least. */
interface Tucker {
  readonly base: Value | null;
  readonly made: Node;
  readonly uIn: Value;
  readonly uOut: Value;
}

function tuckerOf(weight: Value, m: Match): Tucker | null {
  const node = onlyUse(weight, m);
  if (!node) return null;
  if (node.op === tuckerWeight) return factorsOf(node, null, weight);
  if (node.op !== add || node !== weight.source) return null;
  const [a, b] = [inputOf(node, 0), inputOf(node, 1)];
  if (String(a.type.shape) !== String(b.type.shape)) return null;
  const [left, right] = [onlyUse(a, m), onlyUse(b, m)];
  if (right?.op === tuckerWeight) return factorsOf(right, a, weight);
  return left?.op === tuckerWeight ? factorsOf(left, b, weight) : null;
}

function factorsOf(made: Node, base: Value | null, weight: Value): Tucker | null {
  const [axes, shape] = [listAttr(made.attrs, 'axes'), typeOf(made).shape];
  const factor = (axis: number): Value | null => (axes.includes(axis) ? inputOf(made, 1 + axes.indexOf(axis)) : null);
  const [uOut, uIn] = [factor(0), factor(shape.length - 1)];
  const fits = shape.length >= 2 && shape[0] === weight.type.shape[0] && shape.at(-1) === weight.type.shape.at(-1);
  return fits && uOut && uIn ? { base, made, uIn, uOut } : null;
}

/** The core under the factors of the axes between the first and the last, in the taps of a convolution. */
function smallCore({ made }: Tucker, taps: readonly number[], m: Match): Value {
  const core = inputOf(made, 0);
  const axes = listAttr(made.attrs, 'axes');
  const last = core.type.shape.length - 1;
  const factors = core.type.shape.map((_, axis) =>
    axis === 0 || axis === last || !axes.includes(axis) ? null : inputOf(made, 1 + axes.indexOf(axis)),
  );
  const small = makeTucker(m, core, factors);
  return m.one(reshape, [small], { dims: [core.type.shape[0]!, ...taps, core.type.shape[last]!] });
}

/**
 * Whether three small products are less work. Before gradients are taken, a base that does not train needs none of its own then, which a made
 * weight would: so it is whatever the rows while they are less at each of them.
 */
function isLess(t: Tucker, small: Value, positions: number, training: boolean): boolean {
  const [factored, whole] = [factoredMacs(t.uIn, small, t.uOut), madeMacs(t.uIn, small, t.uOut)];
  if (factored >= whole) return false;
  if (!t.base || (training && !trains(t.base))) return true;
  const types = t.made.inputs.map((v) => v && v.type);
  const making = t.made.op.cost(types, t.made.types, t.made.attrs).macs + whole;
  return positions * factored < making;
}

/** Tucker weights, changes of another weight too, that are made and then used once. `training`: gradients are still to be taken. */
export const tuckerInto = (training: boolean): Rule => ({
  name: 'Tucker weight into product',
  apply: (node, m) => {
    const product = productOf(node);
    const tucker = product && tuckerOf(product.weight, m);
    if (!product || !tucker) return null;
    const { x, weight, bias, activation, attrs } = product;
    const taps = weight.type.shape.length === 5 ? weight.type.shape.slice(1, 4) : [1, 1, 1];
    const [out, channels] = [weight.type.shape[0]!, weight.type.shape.at(-1)!];
    const shape = typeOf(node).shape;
    const small = smallCore(tucker, taps, m);
    const positions = shape.slice(0, -1).reduce((n, d) => n * d, 1);
    if (!isLess(tucker, small, positions, training)) return null;
    const given = x.type.shape.length === 5 ? x : m.one(reshape, [x], { dims: [x.type.shape[0]!, 1, 1, 1, channels] });
    const base = tucker.base && m.one(reshape, [tucker.base], { dims: [out, ...taps, channels] });
    const scale = numberAttr(tucker.made.attrs, 'scale');
    const keep = training ? 1 : 0;
    const y = m.one(tuckerConv, [given, tucker.uIn, small, tucker.uOut, base, bias], { ...attrs, scale, keep });
    const op = ACTIVATION_OPS[activation];
    const active = op ? m.one(op, [y]) : y;
    return [shape.length === 5 ? active : m.one(reshape, [active], { dims: shape })];
  },
});

import { sameShape, sameType } from '../../base/tensor-type.ts';
import type { Node, Value } from '../../ir/graph.ts';
import type { Attrs, OpDef } from '../../ir/op.ts';
import { nodesBehind } from '../../ir/value.ts';
import { reshape } from '../../ops/shape.ts';
import type { Match } from '../rewrite.ts';

/** The node that makes a value, if it is an application of this op (its first output). */
export function madeBy(op: OpDef, value: Value | null | undefined): Node | null {
  const source = value?.source;
  return source?.kind === 'node' && source.op === op && value!.index === 0 ? source : null;
}

export const inputOf = (node: Node, index: number): Value => {
  const value = node.inputs[index];
  if (!value) throw new Error(`bug: ${node.op.name} has no input ${index}`);
  return value;
};
export const typeOf = (node: Node): Value['type'] => node.types[0]!;
export const numberAttr = (attrs: Attrs, name: string): number => attrs[name] as number;
export const listAttr = (attrs: Attrs, name: string): readonly number[] => attrs[name] as readonly number[];

/** The node behind a value and its other shapes, where each is used once. */
export function onlyUse(value: Value, m: Match): Node | null {
  let v = value;
  for (;;) {
    if (m.uses(v) !== 1 || v.source.kind !== 'node' || v.index !== 0) return null;
    if (v.source.op !== reshape) return v.source;
    v = inputOf(v.source, 0);
  }
}

/** The value in the shape of a node's first output. */
export const reshaped = (value: Value, node: Node, m: Match): Value =>
  sameShape(value.type.shape, typeOf(node).shape) ? value : m.one(reshape, [value], { dims: typeOf(node).shape });

/** The value that others are another shape of. */
export function behindShapes(value: Value): Value {
  let v = value;
  for (let node = madeBy(reshape, v); node; node = madeBy(reshape, v)) v = inputOf(node, 0);
  return v;
}

/** What uses a value or another shape of it; null for a root. */
export const readersBehind = (value: Value, m: Match): readonly (Node | null)[] =>
  m
    .readers(value)
    .flatMap((node) =>
      node?.op === reshape ? readersBehind({ source: node, index: 0, type: typeOf(node) }, m) : [node],
    );

/** The axes of a sum over all but the last of `rank` axes. */
export const allButLast = (rank: number): number => (1 << (rank - 1)) - 1;

/** For a node of two inputs of one type: what `apply` gives for them, in this order or the other. */
export function withEither<T>(node: Node, apply: (x: Value, y: Value) => T | null): T | null {
  const [x, y] = [inputOf(node, 0), inputOf(node, 1)];
  return sameType(x.type, y.type) ? (apply(x, y) ?? apply(y, x)) : null;
}

/** Whether a value follows from what is trained. */
export const trains = (value: Value): boolean =>
  value.source.kind === 'param' ||
  nodesBehind([value]).some((n) => n.inputs.some((input) => input?.source.kind === 'param'));

import { sameShape } from '../../base/tensor-type.ts';
import type { Node, Value } from '../../ir/graph.ts';
import type { Attrs, OpDef } from '../../ir/op.ts';
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

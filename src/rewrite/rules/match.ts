import type { Node, Value } from '../../ir/graph.ts';
import type { Attrs, OpDef } from '../../ir/op.ts';

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

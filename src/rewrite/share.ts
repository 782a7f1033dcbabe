import { attrsKey, checkAttrs } from '../ir/attrs.ts';
import type { Builder } from '../ir/builder.ts';
import type { Leaf, Node, Value } from '../ir/graph.ts';
import type { Attrs, OpDef } from '../ir/op.ts';

export type Apply = (op: OpDef, inputs: readonly (Value | null)[], attrs: Attrs) => readonly Value[];

/** `builder.apply`, but the same application twice is one node. */
export function sharing(builder: Builder): Apply {
  const numbers = new Map<Node | Leaf | OpDef, number>();
  const numberOf = (thing: Node | Leaf | OpDef): number => {
    let number = numbers.get(thing);
    if (number === undefined) numbers.set(thing, (number = numbers.size));
    return number;
  };
  const made = new Map<string, readonly Value[]>();
  return (op, inputs, attrs) => {
    const places = inputs.map((v) => (v ? `${numberOf(v.source)}.${v.index}` : '-'));
    const key = `${numberOf(op)} ${places.join()} ${attrsKey(checkAttrs(op, attrs))}`;
    let values = made.get(key);
    if (!values) made.set(key, (values = builder.apply(op, inputs, attrs)));
    return values;
  };
}

import { sameShape, showType } from '../base/tensor-type.ts';
import { Unfit } from '../base/unfit.ts';
import type { Given, Init, Leaf, Value } from './graph.ts';
import { checkSize } from './infer.ts';
import { leafValue } from './value.ts';

export type StoreLeaf = Extract<Leaf, { kind: 'param' | 'state' | 'slot' | 'fixed' }>;

/** Leaves of a store by their full path: the same path is the same tensor. Both builders make theirs here. */
export interface StoreLeaves {
  get(kind: 'param' | 'state' | 'slot', name: string, shape: readonly number[], init: Init): Value;
  fixed(name: string, shape: readonly number[], init: Given): Value;
  all(): readonly StoreLeaf[];
}

export function storeLeaves(): StoreLeaves {
  const values = new Map<string, { readonly leaf: StoreLeaf; readonly value: Value }>();
  const make = (leaf: StoreLeaf): Value => {
    const { kind, name, type } = leaf;
    const old = values.get(name);
    if (old) {
      checkAgain(old.leaf, kind, name, type.shape);
      return old.value;
    }
    checkSize(name, type);
    const value = leafValue(leaf);
    values.set(name, { leaf, value });
    return value;
  };
  return {
    get: (kind, name, shape, init) => make({ kind, name, type: { dtype: 'f32', shape }, init }),
    fixed: (name, shape, init) => make({ kind: 'fixed', name, type: { dtype: 'f32', shape }, init }),
    all: () => [...values.values()].map((v) => v.leaf),
  };
}

function checkAgain(old: StoreLeaf, kind: StoreLeaf['kind'], name: string, shape: readonly number[]): void {
  if (old.kind !== kind) throw new Error(`bug: '${name}' is a ${old.kind} and a ${kind}`);
  if (sameShape(old.type.shape, shape)) return;
  const found = showType({ dtype: 'f32', shape });
  throw new Unfit(
    `'${name}' is shared, but is ${showType(old.type)} in one use and ${found} in another`,
    showType(old.type),
    found,
  );
}

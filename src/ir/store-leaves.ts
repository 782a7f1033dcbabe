import { sameShape, showType } from '../base/tensor-type.ts';
import type { TensorType } from '../base/tensor-type.ts';
import { Unfit } from '../base/unfit.ts';
import type { Init, Leaf, Value } from './graph.ts';
import { checkSize } from './infer.ts';
import { leafValue } from './value.ts';

export type StoreLeaf = Extract<Leaf, { kind: 'param' | 'state' | 'slot' }>;

/** Leaves of a store by their full path: the same path is the same tensor. Both builders make theirs here. */
export interface StoreLeaves {
  get(kind: StoreLeaf['kind'], name: string, shape: readonly number[], init: Init): Value;
  all(): readonly StoreLeaf[];
}

export function storeLeaves(): StoreLeaves {
  const values = new Map<string, { readonly leaf: StoreLeaf; readonly value: Value }>();
  return {
    get(kind, name, shape, init) {
      const old = values.get(name);
      if (old) {
        checkAgain(old.leaf, kind, name, shape);
        return old.value;
      }
      const type: TensorType = { dtype: 'f32', shape };
      checkSize(name, type);
      const leaf: StoreLeaf = { kind, name, type, init };
      const value = leafValue(leaf);
      values.set(name, { leaf, value });
      return value;
    },
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

/** A path within a scope; either may be empty. */
export const joinPath = (scope: string, path: string): string =>
  scope === '' ? path : path === '' ? scope : `${scope}.${path}`;

import type { Node, Value } from './core.ts';
import type { Leaf } from './leaf.ts';

export type { Node, Value } from './core.ts';
export type { Given, Init, Leaf } from './leaf.ts';

/**
 * Pure: nothing happens but through the roots. `outputs` are given back; `perStep` outputs row s of a table at step s; `updates` are the next values of
 * leaves of the store, written after every node has read the old ones; `losses` are auxiliary losses, each a scalar f32[1].
 */
export interface Graph {
  readonly leaves: readonly Leaf[];
  readonly nodes: readonly Node[];
  readonly outputs: readonly Output[];
  readonly updates: readonly Update[];
  readonly losses: readonly Value[];
}
export interface Output {
  readonly name: string;
  readonly value: Value;
  readonly perStep: boolean;
}
export interface Update {
  readonly leaf: Leaf;
  readonly value: Value;
}

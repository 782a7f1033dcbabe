import type { TensorType } from '../base/tensor-type.ts';
import type { Attrs, OpDef } from './op.ts';

/** How a parameter starts: N(0, std²), or a constant. Numbers are drawn by Philox with a key made of the seed and the path. */
export type Init =
  { readonly kind: 'normal'; readonly std: number } | { readonly kind: 'constant'; readonly value: number };

/**
 * Where a graph begins. `param` is trained; `state` (running statistics) is not, but is kept; `slot` belongs to an optimizer; these three live in the
 * store under `name`. `input` is given for a run (`perStep`: row s of a table at step s); `constant` is a scalar known now.
 */
export type Leaf =
  | { readonly kind: 'input'; readonly name: string; readonly type: TensorType; readonly perStep: boolean }
  | { readonly kind: 'param'; readonly name: string; readonly type: TensorType; readonly init: Init }
  | { readonly kind: 'state' | 'slot'; readonly name: string; readonly type: TensorType; readonly init: Init }
  /** Resident data of the store: data sets. */
  | { readonly kind: 'data'; readonly name: string; readonly type: TensorType };

/** An application of an op. Nodes are immutable; a graph lists them in an order in which every input comes first. */
export interface Node {
  readonly kind: 'node';
  readonly id: number;
  readonly op: OpDef;
  readonly inputs: readonly (Value | null)[];
  readonly attrs: Attrs;
  readonly types: readonly TensorType[];
  /** Path of the layer that made it, for profiles and messages. */
  readonly path: string;
}

/** Output `index` of a node, or a leaf. */
export interface Value {
  readonly source: Node | Leaf;
  readonly index: number;
  readonly type: TensorType;
}

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

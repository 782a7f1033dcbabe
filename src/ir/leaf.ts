import type { TensorType } from '../base/tensor-type.ts';

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

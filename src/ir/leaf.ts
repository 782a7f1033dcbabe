import type { Shape, TensorType } from '../base/tensor-type.ts';
import type { Attrs } from './signature.ts';

/**
 * How a tensor starts: N(0, std²), or a constant. Numbers are drawn by Philox with a key made of the seed and the path: the run's seed, or the one that
 * stands here.
 */
export type Init =
  | { readonly kind: 'normal'; readonly std: number; readonly seed?: number }
  | { readonly kind: 'constant'; readonly value: number };

/** What a fixed tensor holds: drawn numbers or what follows from them, a table, or a tensor of a file (null: the one of its own name). */
export type Given =
  | (Extract<Init, { kind: 'normal' }> & { readonly seed: number })
  | { readonly kind: 'table'; readonly values: readonly number[] }
  /** Lengths of the columns of a gaussian matrix, by the attributes of `subspace_norms`. */
  | { readonly kind: 'norms'; readonly attrs: Attrs }
  | { readonly kind: 'file'; readonly file: TensorFile; readonly tensor: string | null };

/** A file of tensors as far as it must be known before anything runs. */
export interface TensorFile {
  readonly path: string;
  /** Another where the content is. */
  readonly hash: string;
  readonly shapes: ReadonlyMap<string, Shape>;
}

/**
 * Where a graph begins. `param` is trained; `state` (running statistics) is not, but is kept; `slot` belongs to an optimizer; `fixed` is never changed and
 * comes from elsewhere whenever it is needed; these four live in the store under `name`. `input` is given for a run (`perStep`: row s of a table at step s).
 */
export type Leaf =
  | { readonly kind: 'input'; readonly name: string; readonly type: TensorType; readonly perStep: boolean }
  | { readonly kind: 'param' | 'state' | 'slot'; readonly name: string; readonly type: TensorType; readonly init: Init }
  | { readonly kind: 'fixed'; readonly name: string; readonly type: TensorType; readonly init: Given }
  /** Resident data of the store: data sets. */
  | { readonly kind: 'data'; readonly name: string; readonly type: TensorType }
  /** In the store, what was made of its weights once, for many runs: its name says how. */
  | { readonly kind: 'made'; readonly name: string; readonly type: TensorType };

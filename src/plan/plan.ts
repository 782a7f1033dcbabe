import { byteSize } from '../base/tensor-type.ts';
import type { TensorType } from '../base/tensor-type.ts';
import type { Leaf } from '../ir/graph.ts';
import type { Attrs, OpDef } from '../ir/op.ts';

/** A typed window onto memory that a run binds: bytes of its arena, a tensor of the store, or one given for the run. */
export interface PlanView {
  readonly place: 'arena' | 'store' | 'external';
  /** Store: which of the plan's names; external: which external; arena: 0. */
  readonly ref: number;
  /** Arena: in bytes, a multiple of 64; else 0. */
  readonly offset: number;
  readonly type: TensorType;
  /** External: step s of a run sees row s. */
  readonly perStep: boolean;
  /** Whether some step writes it. */
  readonly written: boolean;
}

/** One application of an op; views by number, null for an absent optional input. */
export interface PlanStep {
  readonly op: OpDef;
  readonly inputs: readonly (number | null)[];
  readonly outputs: readonly number[];
  readonly attrs: Attrs;
  /** Path of the layer it belongs to. */
  readonly path: string;
  /** Whether it belongs to the segment of the step before: no barrier lies between them. */
  readonly joins: boolean;
}

/** What a run is given or gives back under a name. `perStep`: a table with a row of `type` for every step. */
export interface PlanExternal {
  readonly name: string;
  readonly type: TensorType;
  readonly perStep: boolean;
  readonly written: boolean;
}

/** A tensor of the store that a plan binds. */
export interface PlanStored {
  readonly name: string;
  readonly leaf: Leaf;
  readonly written: boolean;
}

/** A plan before it is packed. Steps run in order; each may rely on all before it. */
export interface PlanData {
  readonly arenaBytes: number;
  readonly externals: readonly PlanExternal[];
  readonly store: readonly PlanStored[];
  readonly views: readonly PlanView[];
  readonly steps: readonly PlanStep[];
}

/** What runs: the packed bytes, and what their caller must know. */
export interface Plan extends PlanData {
  readonly bytes: Uint8Array;
}

export const ALIGNMENT = 64;
export const align = (bytes: number): number => Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;

/** Whether two views are the same bytes, or share some. */
export const sameBytes = (a: PlanView, b: PlanView): boolean =>
  a.place === b.place && a.ref === b.ref && a.offset === b.offset && byteSize(a.type) === byteSize(b.type);
export function overlap(a: PlanView, b: PlanView): boolean {
  if (a.place !== b.place || a.ref !== b.ref) return false;
  return a.offset < b.offset + byteSize(b.type) && b.offset < a.offset + byteSize(a.type);
}

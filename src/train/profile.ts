import { byteSize } from '../base/tensor-type.ts';
import type { TensorType } from '../base/tensor-type.ts';
import type { Plan, PlanStep } from '../plan/plan.ts';

/** What an op costs in a step of training: all of its uses in one layer together. */
export interface ProfileRow {
  readonly op: string;
  /** Path of the layer that the op belongs to, '' for what belongs to none. */
  readonly layer: string;
  /** Uses of the op in a step. */
  readonly uses: number;
  /** Milliseconds a step, of wall-clock time. */
  readonly ms: number;
  /** A step, as the op's record declares them. */
  readonly flops: number;
  /** Read and written by a step, as if nothing stayed in the caches between two ops. */
  readonly bytes: number;
}

const NOTHING = { uses: 0, ms: 0, flops: 0, bytes: 0 };

/**
 * Nanoseconds of the plan's steps, summed over `runs` runs -> rows, the slowest first. `key` says which uses are one row.
 */
export function profileRows(
  plan: Plan,
  nanoseconds: Float64Array,
  runs: number,
  key: (step: PlanStep) => { readonly op: string; readonly layer: string },
): readonly ProfileRow[] {
  const rows = new Map<string, ProfileRow>();
  plan.steps.forEach((step, i) => {
    const { op, layer } = key(step);
    const id = `${op}\n${layer}`;
    const old = rows.get(id) ?? { op, layer, ...NOTHING };
    const { flops, bytes } = workOf(plan, step);
    rows.set(id, {
      op,
      layer,
      uses: old.uses + 1,
      ms: old.ms + nanoseconds[i]! / Math.max(1, runs) / 1e6,
      flops: old.flops + flops,
      bytes: old.bytes + bytes,
    });
  });
  return [...rows.values()].sort((a, b) => b.ms - a.ms);
}

/** One row for each op and layer. */
export const byLayer = (step: PlanStep): { readonly op: string; readonly layer: string } => ({
  op: step.op.name,
  layer: step.path,
});

/** One row for each op. */
export const byOp = (step: PlanStep): { readonly op: string; readonly layer: string } => ({
  op: step.op.name,
  layer: '',
});

function workOf(plan: Plan, step: PlanStep): { readonly flops: number; readonly bytes: number } {
  const typeOf = (view: number): TensorType => plan.views[view]!.type;
  const inputs = step.inputs.map((view) => (view === null ? null : typeOf(view)));
  const outputs = step.outputs.map(typeOf);
  const once = [...inputs, ...outputs].reduce((sum, type) => sum + (type ? byteSize(type) : 0), 0);
  const { flops, bytes = once } = step.op.cost(inputs, outputs, step.attrs);
  return { flops, bytes };
}

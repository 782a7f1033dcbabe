import { byteSize, numel } from '../base/tensor-type.ts';
import type { TensorType } from '../base/tensor-type.ts';
import { evaluateOp } from '../ir/evaluate.ts';
import type { NdArray } from '../ir/op.ts';
import type { PlanData, PlanView } from './plan.ts';

/** What a run binds, by name; arrays of `perStep` externals have the steps as a leading axis. Written in place of the old. */
export interface Bindings {
  readonly store: Map<string, NdArray>;
  readonly externals: Map<string, NdArray>;
}

interface Region {
  readonly offset: number;
  readonly bytes: number;
  readonly data: Float64Array;
}

/** The slow clear twin of the executor: runs a plan by the ops' references in float64, over a memory that forgets what is overwritten. */
export function simulate(plan: PlanData, bindings: Bindings, steps = 1): void {
  for (let s = 0; s < steps; s++) {
    const memory = memoryOf(plan, bindings, s);
    for (const step of plan.steps) {
      const views = step.inputs.map((v) => (v === null ? null : plan.views[v]!));
      const inputs = views.map((v) => v && memory.read(v));
      const outputs = step.outputs.map((v) => plan.views[v]!);
      const types = views.map((v) => v && v.type);
      const results = evaluateOp(
        step.op,
        inputs,
        types,
        step.attrs,
        outputs.map((v) => v.type),
      );
      outputs.forEach((view, i) => memory.write(view, results[i]!));
    }
  }
}

interface Memory {
  read(view: PlanView): NdArray;
  write(view: PlanView, array: NdArray): void;
}

function memoryOf(plan: PlanData, bindings: Bindings, step: number): Memory {
  let arena: readonly Region[] = [];
  const outside = (view: PlanView): Float64Array => {
    const stored = view.place === 'store';
    const name = (stored ? plan.store : plan.externals)[view.ref]!.name;
    const array = (stored ? bindings.store : bindings.externals).get(name);
    if (!array) throw new Error(`bug: nothing is bound to '${name}'`);
    const size = numel(view.type.shape);
    return view.perStep ? array.data.subarray(step * size, (step + 1) * size) : array.data;
  };
  return {
    read(view) {
      if (view.place !== 'arena') return nd(view.type, outside(view).slice());
      const bytes = byteSize(view.type);
      const region = arena.find((r) => r.offset === view.offset && r.bytes === bytes);
      if (!region && bytes > 0) throw new Error(`bug: the arena holds nothing whole at ${view.offset}`);
      return nd(view.type, region?.data ?? new Float64Array(0));
    },
    write(view, array) {
      if (view.place !== 'arena') return outside(view).set(array.data);
      const bytes = byteSize(view.type);
      const kept = arena.filter((r) => r.offset >= view.offset + bytes || view.offset >= r.offset + r.bytes);
      arena = [...kept, { offset: view.offset, bytes, data: array.data }];
    },
  };
}

const nd = (type: TensorType, data: Float64Array): NdArray => ({ shape: type.shape, data });

import { Unfit } from '../base/unfit.ts';
import type { TensorType } from '../base/tensor-type.ts';
import { tooLongFor } from './evaluate-via.ts';
import { testFiled } from './filed.ts';
import { VECTOR_STATE, layerCost, layerDepth, weightShapes } from './layer-cost.ts';
import { byAssignment, followMember } from './member.ts';
import type { Decider, Maker, Member } from './member.ts';
import { optimizerSlots } from './requirement.ts';
import { Beyond } from './limits.ts';
import type { AnyExpr } from './references.ts';
import type { Assignment } from './assignment.ts';
import type { Space } from './space.ts';
import { largestBatch } from './make-compiled.ts';
import type { Flow, Vector } from './follow-scope.ts';

/** What a member costs: numbers as language.md defines them. */
export interface Measures {
  readonly params: number;
  /** With the numbers that are given: frozen ones and those that a seed draws. */
  readonly params_total: number;
  readonly flops: number;
  readonly macs: number;
  readonly memory: number;
  readonly depth: number;
}

export interface Measured {
  readonly type: TensorType;
  readonly depth: number;
}

/** Where a member stops fitting: the expression of the layer, for messages. */
export interface Stop {
  expr: AnyExpr | null;
}

/** A vector that makes parameters of several layers, by its path: how long it is, and how many numbers it makes. */
export type Vectors = ReadonlyMap<string, VectorTaken>;
interface VectorTaken {
  readonly vector: Vector;
  taken: number;
}

/** Follows a member and sums what its layers cost. Throws Beyond where it has more than `most` layers. */
export function measuring(
  space: Space,
  decider: Decider,
  stop: Stop = { expr: null },
  most = Infinity,
): {
  member: Member<Measured>;
  /** Once the member was followed: throws Unfit where a vector is longer than what it makes. */
  readonly sums: () => Omit<Measures, 'depth'>;
  readonly layers: () => number;
} {
  const weights = new Map<string, string>();
  const vectors = new Map<string, VectorTaken>();
  let params = 0,
    given = 0,
    state = 0,
    flops = 0,
    macs = 0,
    kept = 0,
    layers = 0;
  const maker: Maker<Measured> = {
    vector: (vector) => take(vectors, vector, 0),
    layer: (path, layer, args, inputs, expr, way) => {
      stop.expr = expr;
      if (++layers > most) throw new Beyond(`more than ${most} layers in one member`);
      const cost = layerCost(
        layer,
        args,
        inputs.map((i) => i.type),
        way,
      );
      testFiled(cost.filed, expr, path);
      const shapes = weightShapes(cost).join();
      const before = weights.get(path);
      if (before === undefined) {
        weights.set(path, shapes);
        params += cost.params;
        given += cost.given;
        state += cost.state;
        if (way.vector) take(vectors, way.vector, cost.taken);
      } else if (before !== shapes) throw new Unfit(`${path}: uses of shared weights differ in shape`, before, shapes);
      flops += cost.flops;
      macs += cost.macs;
      kept += cost.kept;
      stop.expr = null;
      return { type: cost.output, depth: Math.max(0, ...inputs.map((i) => i.depth)) + layerDepth(layer, cost) };
    },
  };
  const inputs = space.inputs.map((i): Measured => ({ type: { dtype: i.dtype, shape: [1, ...i.shape] }, depth: 0 }));
  const member = followMember(space, inputs, decider, maker);
  const slots = optimizerSlots(space.train.optimizer);
  return {
    member,
    layers: () => layers,
    sums: () => {
      const all = sumOfVectors(vectors, stop);
      const free = params + all.sizes;
      const held = state + VECTOR_STATE * all.taken;
      const memory = 4 * (free * (2 + slots) + held + largestBatch(space) * kept);
      return { params: free, params_total: free + given, flops, macs, memory };
    },
  };
}

function take(vectors: Map<string, VectorTaken>, vector: Vector, taken: number): void {
  const known = vectors.get(vector.path);
  if (known) known.taken += taken;
  else vectors.set(vector.path, { vector, taken });
}

function sumOfVectors(vectors: Vectors, stop: Stop): { readonly sizes: number; readonly taken: number } {
  let sizes = 0,
    taken = 0;
  for (const { vector, taken: total } of vectors.values()) {
    const size = vector.made.def.whole!.size(vector.made.args);
    if (size > total) {
      stop.expr = vector.expr;
      throw tooLongFor(vector.made, total);
    }
    sizes += size;
    taken += total;
  }
  return { sizes, taken };
}

export function depthOf(flow: Flow<Measured>): number {
  return Array.isArray(flow) ? Math.max(0, ...flow.map(depthOf)) : (flow as Measured).depth;
}

/** Exact measures of the member that an assignment describes. Throws Unfit where there is none, Undecided where a decision is missing. */
export function measures(space: Space, assignment: Assignment): Measures {
  const { member, sums } = measuring(space, byAssignment(assignment));
  const depth = Math.max(0, ...member.outputs().map((o) => depthOf(o.flow)));
  return { ...sums(), depth };
}

import { Unfit } from '../base/unfit.ts';
import type { TensorType } from '../base/tensor-type.ts';
import { layerCost, layerDepth, weightShapes } from './layer-cost.ts';
import { byAssignment, followMember } from './member.ts';
import type { Decider, Maker, Member } from './member.ts';
import { optimizerSlots } from './requirement.ts';
import { Beyond } from './limits.ts';
import type { AnyExpr } from './references.ts';
import type { Assignment, Space } from './space.ts';
import { largestBatch } from './make-compiled.ts';
import type { Flow } from './follow.ts';

/** What a member costs: numbers as language.md defines them. */
export interface Measures {
  readonly params: number;
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

/** Follows a member and sums what its layers cost. Throws Beyond where it has more than `most` layers. */
export function measuring(
  space: Space,
  decider: Decider,
  stop: Stop = { expr: null },
  most = Infinity,
): { member: Member<Measured>; readonly sums: () => Omit<Measures, 'depth'>; readonly layers: () => number } {
  const weights = new Map<string, string>();
  let params = 0,
    state = 0,
    flops = 0,
    macs = 0,
    kept = 0,
    layers = 0;
  const maker: Maker<Measured> = {
    layer: (path, layer, args, inputs, expr) => {
      stop.expr = expr;
      if (++layers > most) throw new Beyond(`more than ${most} layers in one member`);
      const cost = layerCost(
        layer,
        args,
        inputs.map((i) => i.type),
      );
      const shapes = weightShapes(cost).join();
      const before = weights.get(path);
      if (before === undefined) {
        weights.set(path, shapes);
        params += cost.params;
        state += cost.state;
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
    sums: () => ({ params, flops, macs, memory: 4 * (params * (2 + slots) + state + largestBatch(space) * kept) }),
  };
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

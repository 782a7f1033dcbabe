import { Unfit } from '../base/unfit.ts';
import { numel } from '../base/tensor-type.ts';
import { weighted } from '../ir/weight.ts';
import type { Builder } from '../ir/builder.ts';
import type { Asked } from '../ir/weight.ts';
import type { Value } from '../ir/graph.ts';
import { joinPath } from '../ir/path.ts';
import { testFiled } from './filed.ts';
import type { Vector } from './follow-scope.ts';
import { layerCost } from './layer-cost.ts';
import { byAssignment, followMember } from './member.ts';
import type { Assignment } from './assignment.ts';
import type { Space } from './space.ts';
import type { Measured } from './measures.ts';

/**
 * Builds the member that an assignment describes. `inputs` are the space's, in order; layers stand under their stored paths, which are the names of their tensors.
 * Gives the outputs in order. Throws Unfit or Undecided where the assignment is no member.
 */
export function instantiate(
  space: Space,
  assignment: Assignment,
  builder: Builder,
  inputs: readonly Value[],
): readonly Value[] {
  const layouts = layoutsOf(space, assignment);
  const member = followMember<Value>(space, inputs, byAssignment(assignment), {
    layer: (path, layer, args, given, _expr, way) => {
      const all = way.vector && vectorOf(builder, way.vector, layouts.get(way.vector.path)!);
      const take =
        all && ((b: Builder, relative: string, asked: Asked) => all(b, joinPath(path, asked.path), relative, asked));
      const b = weighted(builder, way.weight, take);
      return builder.scope(path, () => layer.build(b, given, args));
    },
  });
  return member.outputs().map(({ name, flow }) => {
    if (Array.isArray(flow)) throw new Unfit(`the output ${name} is a list`, 'one tensor', `${flow.length} tensors`);
    return flow as Value;
  });
}

/** Where the numbers of each tensor begin among those that a vector makes. */
interface Layout {
  total: number;
  readonly starts: Map<string, number>;
  made: Value | null;
}

// In the order in which the member is followed. Tests what only whole paths tell.
function layoutsOf(space: Space, assignment: Assignment): ReadonlyMap<string, Layout> {
  const layouts = new Map<string, Layout>();
  const given = space.inputs.map(({ dtype, shape }): Pick<Measured, 'type'> => ({
    type: { dtype, shape: [1, ...shape] },
  }));
  const member = followMember<Pick<Measured, 'type'>>(space, given, byAssignment(assignment), {
    layer: (path, layer, args, tensors, expr, way) => {
      const types = tensors.map((t) => t.type);
      const cost = layerCost(layer, args, types, way);
      testFiled(cost.filed, expr, path);
      if (way.vector) lay(layouts, way.vector.path, path, cost.asked);
      return { type: cost.output };
    },
  });
  member.outputs();
  return layouts;
}

function lay(layouts: Map<string, Layout>, vector: string, path: string, asked: readonly Asked[]): void {
  const layout = layouts.get(vector) ?? { total: 0, starts: new Map<string, number>(), made: null };
  layouts.set(vector, layout);
  for (const { path: tensor, shape } of asked) {
    const name = joinPath(path, tensor);
    if (layout.starts.has(name)) continue;
    layout.starts.set(name, layout.total);
    layout.total += numel(shape);
  }
}

function vectorOf(
  builder: Builder,
  { path, made }: Vector,
  layout: Layout,
): (b: Builder, name: string, relative: string, asked: Asked) => Value {
  const whole = made.def.whole!;
  layout.made ??= whole.make(builder, path, layout.total, made.args);
  const all = layout.made;
  return (b, name, relative, asked) => whole.part(b, all, layout.starts.get(name)!, relative, asked, made.args);
}

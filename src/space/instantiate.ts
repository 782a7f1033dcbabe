import { Unfit } from '../base/unfit.ts';
import type { Builder } from '../ir/builder.ts';
import type { Value } from '../ir/graph.ts';
import { byAssignment, followMember } from './member.ts';
import type { Assignment, Space } from './space.ts';

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
  const member = followMember<Value>(space, inputs, byAssignment(assignment), {
    layer: (path, layer, args, given) => builder.scope(path, () => layer.build(builder, given, args)),
  });
  return member.outputs().map(({ name, flow }) => {
    if (Array.isArray(flow)) throw new Unfit(`the output ${name} is a list`, 'one tensor', `${flow.length} tensors`);
    return flow as Value;
  });
}

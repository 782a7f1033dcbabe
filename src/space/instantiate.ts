import type { Builder } from '../ir/builder.ts';
import type { Value } from '../ir/graph.ts';
import { byAssignment, followMember } from './member.ts';
import type { DecidedTrain } from './member.ts';
import type { Assignment, Space } from './space.ts';

/**
 * Builds the member that an assignment describes. `inputs` are the space's, in order; layers stand under their stored paths, which are the names of their tensors.
 * Throws Unfit or Undecided where the assignment is no member. An output that is a list gives all of its tensors, numbered.
 */
export function instantiate(
  space: Space,
  assignment: Assignment,
  builder: Builder,
  inputs: readonly Value[],
): readonly { readonly name: string; readonly value: Value }[] {
  const member = followMember<Value>(space, inputs, byAssignment(assignment), {
    layer: (path, layer, args, given) => builder.scope(path, () => layer.build(builder, given, args)),
  });
  return member.outputs().flatMap(({ name, flow }) => {
    if (!Array.isArray(flow)) return [{ name, value: flow as Value }];
    return (flow.flat(Infinity) as Value[]).map((value, i) => ({ name: `${name}[${i}]`, value }));
  });
}

/** How the member is trained. Decisions of training that the assignment leaves out take their first alternative, or the middle of their range. */
export function trainSettings(space: Space, assignment: Assignment): DecidedTrain {
  const nothing = { layer: (): never => { throw new Error('bug: training makes no layers'); } };
  return followMember<Value>(space, [], byAssignment(assignment, { defaults: true }), nothing).train();
}

import { byAssignment, followMember } from './member.ts';
import type { TrainDecided } from './member.ts';
import type { Measured } from './measures.ts';
import type { Assignment } from './assignment.ts';
import type { Space } from './space.ts';

export type { DecidedSetting, TrainDecided } from './member.ts';

const maker = {
  layer: (): never => {
    throw new Error('bug: training makes no layers');
  },
};

/** How the member is trained. Decisions of training that the assignment leaves out take their first alternative, or the middle of their range. */
export function decideTrain(space: Space, assignment: Assignment): TrainDecided {
  return followMember<Measured>(space, [], byAssignment(assignment, { defaults: true }), maker).train();
}

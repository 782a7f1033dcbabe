import { Unfit } from '../../src/base/unfit.ts';
import { failing } from '../../src/space/estimate.ts';
import { depthOf, measuring } from '../../src/space/measures.ts';
import type { Measures } from '../../src/space/measures.ts';
import { byAssignment } from '../../src/space/member.ts';
import type { Assignment, Decided } from '../../src/space/assignment.ts';
import type { Space } from '../../src/space/space.ts';

export interface BruteMember {
  readonly assignment: Assignment;
  readonly measures: Measures;
}

/** Every member, by following each way through the decisions. Null where there are more than `limit` ways. */
export function enumerate(space: Space, limit: number): readonly BruteMember[] | null {
  const out: BruteMember[] = [];
  // Positions chosen so far in the order of meeting, and the number of options there.
  let way: { at: number; of: number }[] = [];
  for (let ways = 0; ; ways++) {
    if (ways > limit) return null;
    const found = followWay(space, way);
    if (found.member) out.push(found.member);
    way = found.way;
    while (way.length > 0 && way.at(-1)!.at === way.at(-1)!.of - 1) way.pop();
    if (way.length === 0) return out;
    const last = way.at(-1)!;
    way = [...way.slice(0, -1), { at: last.at + 1, of: last.of }];
  }
}

function followWay(
  space: Space,
  start: readonly { at: number; of: number }[],
): { member: BruteMember | null; way: { at: number; of: number }[] } {
  const way = [...start];
  const assignment: Record<string, Decided> = {};
  let step = 0;
  const { member, sums } = measuring(space, {
    choose: (path, options) => {
      const at = way[step] ?? { at: 0, of: options.length };
      way[step++] = at;
      assignment[path] = options[at.at]!.value;
      return at.at;
    },
    number: (path, interval) => {
      assignment[path] = interval.low;
      return interval.low;
    },
  });
  try {
    const depth = Math.max(0, ...member.outputs().map((o) => depthOf(o.flow)));
    const measures = { ...sums(), depth };
    const fits = failing(space.requirements, { ...measures }, byAssignment(assignment), space).length === 0;
    return { member: fits ? { assignment, measures } : null, way: way.slice(0, step) };
  } catch (e) {
    if (!(e instanceof Unfit)) throw e;
    return { member: null, way: way.slice(0, step) };
  }
}

import type { Span } from '../base/span.ts';
import { Unfit } from '../base/unfit.ts';
import { failing } from './estimate.ts';
import { depthOf, measuring } from './measures.ts';
import type { Stop } from './measures.ts';
import { Undecided, byAssignment } from './member.ts';
import type { Assignment } from './assignment.ts';
import type { Requirement } from './require-expr.ts';
import type { Space } from './space.ts';
import type { Datum } from './values.ts';

/** Why an assignment is no member. */
export type Reason =
  /** A layer that does not fit, or a value that a decision does not have; the span of the layer where it is known. */
  | {
      readonly kind: 'unfit';
      readonly message: string;
      readonly expected: string;
      readonly found: string;
      readonly span: Span | null;
    }
  /** A requirement that fails; the values of its terms in text order (null: not decided). */
  | { readonly kind: 'requirement'; readonly requirement: Requirement; readonly terms: readonly (Datum | null)[] }
  | { readonly kind: 'undecided'; readonly path: string }
  /** A decision that this member does not make. */
  | { readonly kind: 'unused'; readonly path: string };

/** Null where the assignment is a member; decisions of training may be left out. */
export function check(space: Space, assignment: Assignment): readonly Reason[] | null {
  const met = new Set<string>();
  const stop: Stop = { expr: null };
  const decider = byAssignment(assignment, { met });
  try {
    const { member, sums } = measuring(space, decider, stop);
    const depth = Math.max(0, ...member.outputs().map((o) => depthOf(o.flow)));
    const failed = failing(space.requirements, { ...sums(), depth }, byAssignment(assignment), space).map(
      ({ requirement, terms }): Reason => ({
        kind: 'requirement',
        requirement,
        terms: terms.map((t) => (t === null ? null : 'low' in t ? t.low : t.exact)),
      }),
    );
    const reasons = [...failed, ...trainReasons(space, assignment, met)];
    return reasons.length === 0 ? null : reasons;
  } catch (e) {
    if (e instanceof Undecided) return [{ kind: 'undecided', path: e.path }];
    if (e instanceof Unfit) return [unfit(e, stop.expr?.span ?? null)];
    throw e;
  }
}

const unfit = (e: Unfit, span: Span | null): Reason => ({
  kind: 'unfit',
  message: e.message,
  expected: e.expected,
  found: e.found,
  span,
});

// Follows training with defaults for what is missing, then names what nobody asked for.
function trainReasons(space: Space, assignment: Assignment, met: Set<string>): readonly Reason[] {
  try {
    const { member } = measuring(space, byAssignment(assignment, { defaults: true, met }));
    member.train();
  } catch (e) {
    if (e instanceof Unfit) return [unfit(e, null)];
    throw e;
  }
  return Object.keys(assignment)
    .filter((path) => !met.has(path))
    .map((path) => ({ kind: 'unused', path }));
}

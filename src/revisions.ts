import { compileText, describeMember } from './compile.ts';
import type { Compiled } from './compile.ts';
import { check } from './space/check.ts';
import type { Reason } from './space/check.ts';
import { next } from './space/restrict.ts';
import type { Assignment } from './space/assignment.ts';
import type { Space } from './space/space.ts';
import { decideTrain } from './space/train.ts';
import type { Judge, OldTrial } from './study/study.ts';

const because = (r: Reason): string => {
  switch (r.kind) {
    case 'unfit':
      return `it is no member any more: ${r.message}`;
    case 'requirement':
      return `it fails the requirement \`${r.requirement.text}\``;
    case 'undecided':
      return `it does not decide \`${r.path}\``;
    case 'unused':
      return `\`${r.path}\` is no decision any more`;
  }
};

// The part of a printed program that says how it is trained begins a line with `train`.
const architectureOf = (program: string): string => program.split(/^train\b/m)[0]!.trim();

/**
 * Judges trials of earlier revisions against the program as it is now: a trial counts where its decisions still make a member, and the very same one, trained in the
 * same way. Both are printed by this version and compared.
 */
export function judgeFor(compiled: Compiled): Judge {
  const spaces = new Map<string, Space | null>();
  const oldSpace = (source: string): Space | null => {
    let found = spaces.get(source);
    if (found === undefined) {
      try {
        found = compileText(source, compiled.file, compiled.space.name, { analyse: false }).space;
      } catch {
        found = null; // What an older version accepted: its own print is compared.
      }
      spaces.set(source, found);
    }
    return found;
  };
  return (old) => {
    const { space } = compiled;
    const reason = notMember(space, old.decisions);
    if (reason !== null) return reason;
    const before = oldSpace(old.source);
    const then = before ? describeMember(before, old.decisions).program : old.program;
    const now = describeMember(space, old.decisions).program;
    if (architectureOf(now) !== architectureOf(then)) return 'its decisions mean another architecture now';
    const sameTraining = before ? trainingOf(space, old) === trainingOf(before, old) : now === then;
    return sameTraining ? null : 'it was trained in another way';
  };
}

const trainingOf = (space: Space, old: OldTrial): string => JSON.stringify(decideTrain(space, old.decisions));

function notMember(space: Space, decisions: Assignment): string | null {
  const reasons = check(space, decisions);
  if (reasons) return because(reasons[0]!);
  const open = next(space, decisions);
  return open && because({ kind: 'undecided', path: open.path });
}

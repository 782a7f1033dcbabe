import type { Random } from '../base/philox.ts';
import { Unfit } from '../base/unfit.ts';
import { ALL, compileOrNull } from './compile.ts';
import type { Compiled, CompileOptions } from './compile.ts';
import { isInterval } from './decisions.ts';
import type { Interval } from './decisions.ts';
import { walk } from './estimate.ts';
import { Beyond } from './limits.ts';
import { measuring } from './measures.ts';
import { Undecided, byAssignment } from './member.ts';
import { drawFrom, meets, sample } from './sample.ts';
import type { SampleMeasure } from './sample.ts';
import type { Assignment, Decided } from './assignment.ts';
import type { Space } from './space.ts';
import { countsByValue, weighed } from './weigh.ts';

// Searches restrict the circuit at every step: it is kept small, and where requirements are then told apart too coarsely, members are tested.
const LIGHT: CompileOptions = { ...ALL, effort: 'light' };

/** The next decision of a partial assignment. A continuous one has no alternatives but an interval. */
export interface NextDecision {
  readonly path: string;
  readonly kind: 'choice' | 'range' | 'order' | 'pick';
  readonly alternatives: readonly Decided[];
  /** Members (architecture and training) that are left with each alternative; where tables do not suffice 1, or 0 where it cannot fit. */
  readonly feasible: readonly bigint[];
  readonly weights: readonly number[];
  readonly continuous: Interval | null;
}

/**
 * The first undecided decision, in the order of evaluation: the architecture's from the outputs backwards, then those of training. Null where the assignment is complete.
 */
export function next(space: Space, partial: Assignment): NextDecision | null {
  const open = firstUndecided(space, partial);
  if (!open) return null;
  const { path, options } = open;
  if (isInterval(options))
    return { path, kind: 'range', alternatives: [], feasible: [], weights: [], continuous: options };
  const alternatives = options.map((o) => o.value);
  const feasible = feasibleCounts(space, partial, path, alternatives);
  const { label } = open.site;
  const kind = label === 'order' || label === 'pick' ? label : typeof alternatives[0] === 'number' ? 'range' : 'choice';
  return { path, kind, alternatives, feasible, weights: options.map((o) => o.share), continuous: null };
}

function feasibleCounts(
  space: Space,
  partial: Assignment,
  path: string,
  alternatives: readonly Decided[],
): readonly bigint[] {
  const compiled = compileOrNull(space, LIGHT);
  if (!compiled) return alternatives.map((v) => membersGiven(space, null, { ...partial, [path]: v }));
  if (!compiled.circuit.root) return alternatives.map(() => 0n);
  const counts = countsByValue(compiled.circuit, compiled.circuit.root, partial, path);
  return alternatives.map((v) => counts.get(JSON.stringify(v)) ?? 0n);
}

function firstUndecided(space: Space, partial: Assignment): Undecided | null {
  const { member } = measuring(space, byAssignment(partial));
  try {
    member.outputs();
    member.train();
    return null;
  } catch (e) {
    if (e instanceof Undecided) return e;
    throw e;
  }
}

function membersGiven(space: Space, compiled: Compiled | null, given: Assignment): bigint {
  if (compiled)
    return compiled.circuit.root
      ? weighed(compiled.circuit, compiled.circuit.root, given).count(compiled.circuit.root, '')
      : 0n;
  try {
    firstUndecided(space, given);
    return 1n;
  } catch (e) {
    if (e instanceof Unfit) return 0n;
    throw e;
  }
}

/**
 * Members (architecture and training together; continuous decisions count as 1) that agree with a partial assignment; an upper bound where requirements can be told
 * apart only coarsely.
 */
export function countGiven(space: Space, partial: Assignment): bigint {
  return membersGiven(space, compileOrNull(space, LIGHT), partial);
}

const TRIES = 2000;

/** A member that agrees with a partial assignment. Throws Beyond where none was found. */
export function sampleGiven(
  space: Space,
  partial: Assignment,
  options: { readonly random: Random; readonly measure?: SampleMeasure },
): Assignment {
  const { random, measure = 'choice' } = options;
  if (Object.keys(partial).length === 0) return sample(space, { random, measure });
  const found = samplerGiven(space, partial, measure)(random);
  if (found) return found;
  throw new Beyond(`no member of ${space.name} agrees with what is given`);
}

/** Draws members that agree with a partial assignment, weighing the alternatives once; gives null where none was found. */
export function samplerGiven(
  space: Space,
  partial: Assignment,
  measure: SampleMeasure,
): (random: Random) => Assignment | null {
  const compiled = compileOrNull(space, LIGHT);
  if (!compiled) return (random) => walkGiven(space, partial, random, measure);
  const { circuit, exact } = compiled;
  const { root } = circuit;
  if (!root) return () => null;
  const scale = weighed(circuit, root, partial);
  return (random) => {
    for (let i = 0; i < TRIES; i++) {
      const found = drawFrom(circuit, root, partial, random, measure, scale);
      if (!found || exact || meets(space, found)) return found;
    }
    return null;
  };
}

function walkGiven(space: Space, given: Assignment, random: Random, measure: SampleMeasure): Assignment | null {
  for (let i = 0; i < TRIES; i++) {
    const w = walk(space, random, { measure: measure === 'uniform' ? 'uniform' : 'choice', given, train: true });
    if (w.fits) return w.assignment;
  }
  return null;
}

/** Whether no decision of the space is continuous, as far as tables tell; then `countGiven` counts (or bounds from above) what is left. */
export function isCounted(space: Space): boolean {
  const compiled = compileOrNull(space, LIGHT);
  return compiled !== null && !compiled.circuit.order.some((node) => node.kind === 'open');
}

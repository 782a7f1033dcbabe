import { Random } from '../base/philox.ts';
import { Unfit } from '../base/unfit.ts';
import { drawInterval, sameDecided } from './decisions.ts';
import type { Option } from './decisions.ts';
import { judge } from './requirement.ts';
import type { TermValue } from './requirement.ts';
import { BUDGET, Beyond } from './limits.ts';
import { depthOf, measuring } from './measures.ts';
import type { Decider } from './member.ts';
import { byAssignment } from './member.ts';
import type { Assignment, Decided } from './assignment.ts';
import type { Site } from './expr.ts';
import type { Requirement, RequireTerm } from './require-expr.ts';
import type { Space } from './space.ts';

/** One random walk through the decisions of a space. */
export interface Walk {
  readonly assignment: Assignment;
  readonly fits: boolean;
  /** Product of the numbers of options: the weight of the walk in Knuth's estimate. */
  readonly branching: bigint;
  /** Layers that were applied. */
  readonly layers: number;
}

export interface WalkOptions {
  readonly measure: 'choice' | 'uniform';
  /** Decisions that stay; `soft`: those that are still possible. */
  readonly given?: Assignment;
  readonly soft?: boolean;
  /** A path that must not keep what is given. */
  readonly avoid?: string;
  readonly train?: boolean;
  /** Longer ones are given up: Beyond. */
  readonly most?: number;
}

/** Decides by the prior (or evenly), without a look ahead. */
export function walk(space: Space, random: Random, how: WalkOptions): Walk {
  const { given = {}, soft = false, avoid = null, train = false } = how;
  const assignment: Record<string, Decided> = {};
  let branching = 1n;
  const fixed = byAssignment(given);
  const draw = (options: readonly Option[]): number => {
    branching *= BigInt(options.length);
    return how.measure === 'uniform' ? random.below(options.length) : byShare(options, random.uniform());
  };
  const choose = (path: string, options: readonly Option[], site: Site): number => {
    const wanted = given[path];
    if (wanted === undefined) return draw(options);
    const at = options.findIndex((o) => sameDecided(wanted, o.value));
    if (path === avoid) {
      if (options.length < 2 || at < 0) return draw(options);
      return (at + 1 + random.below(options.length - 1)) % options.length;
    }
    return soft && at < 0 ? draw(options) : fixed.choose(path, options, site);
  };
  const decider: Decider = {
    choose: (path, options, site) => {
      const at = choose(path, options, site);
      assignment[path] = options[at]!.value;
      return at;
    },
    number: (path, interval, site) => {
      const wanted = given[path];
      const inside = typeof wanted === 'number' && wanted >= interval.low && wanted <= interval.high;
      const fresh = wanted === undefined || path === avoid || (soft && !inside);
      const v = fresh ? drawInterval(interval, random) : fixed.number(path, interval, site);
      assignment[path] = v;
      return v;
    },
  };
  const { member, sums, layers } = measuring(space, decider, undefined, how.most);
  try {
    const depth = Math.max(0, ...member.outputs().map((o) => depthOf(o.flow)));
    if (train) member.train();
    const fits = failing(space.requirements, { ...sums(), depth }, byAssignment(assignment), space).length === 0;
    return { assignment, fits, branching, layers: layers() };
  } catch (e) {
    if (e instanceof Unfit) return { assignment, fits: false, branching, layers: layers() };
    throw e;
  }
}

function byShare(options: readonly { readonly share: number }[], u: number): number {
  let rest = u;
  for (let i = 0; i < options.length; i++) {
    rest -= options[i]!.share;
    if (rest < 0) return i;
  }
  return options.length - 1;
}

/** Requirements that a member with these measures fails, each with what its terms are. */
export function failing(
  requirements: readonly Requirement[],
  measured: Readonly<Record<string, number>>,
  decider: Decider,
  space: Space,
): readonly { readonly requirement: Requirement; readonly terms: readonly TermValue[] }[] {
  if (requirements.length === 0) return [];
  const { member } = measuring(space, decider);
  return requirements.flatMap((requirement) => {
    const terms: TermValue[] = [];
    const term = (t: RequireTerm): TermValue => {
      let value: TermValue;
      if (t.kind === 'measure') value = { exact: measured[t.measure]! };
      else {
        try {
          value = { exact: member.value(t.expr) };
        } catch (e) {
          // A value that the member does not decide binds nothing.
          if (e instanceof Unfit || (e instanceof Error && e.name === 'Undecided')) value = null;
          else throw e;
        }
      }
      terms.push(value);
      return value;
    };
    return judge(requirement.expr, term) === 'no' ? [{ requirement, terms }] : [];
  });
}

/** How many architectures a space has. `exact` null: between `low` and `high`, as tables did not suffice. */
export interface Count {
  readonly exact: bigint | null;
  readonly low: bigint;
  readonly high: bigint;
  /** Whether the bounds are; else they are an interval of 95 %. */
  readonly proven: boolean;
  /** Only known to be more than `low`: `high` stands for any larger number. */
  readonly unbounded?: true;
}

/** More than are counted. `low` 0: not even that is known. */
export const tooMany = (low: bigint = 1n << BigInt(BUDGET.bits)): Count => ({
  exact: null,
  low,
  high: 1n << BigInt(2 * BUDGET.bits),
  proven: low > 0n,
  unbounded: true,
});

/** Walks one after another, as many as the budget allows; those that meet a limit are left out. */
export function* walks(
  space: Space,
  random: Random,
  times: number,
  measure: (i: number) => WalkOptions['measure'],
): Generator<Walk> {
  let left = BUDGET.walked;
  for (let i = 0; i < times && left > 0; i++) {
    let found: Walk | null = null;
    try {
      found = walk(space, random, { measure: measure(i), most: BUDGET.walk });
    } catch (e) {
      if (!(e instanceof Beyond)) throw e;
    }
    left -= found ? found.layers : BUDGET.walked / 4;
    if (found) yield found;
  }
}

const WALKS = 400;

/**
 * Where tables do not suffice: Knuth's estimate (1975) of the number of members from random walks, with its 95 % interval. The walks are always the
 * same ones.
 */
export function estimateCount(space: Space): Count {
  const random = new Random('estimate', space.name);
  const weights: bigint[] = [];
  let ways = 0n;
  for (const w of walks(space, random, WALKS, () => 'uniform')) {
    weights.push(w.fits ? w.branching : 0n);
    ways += w.branching;
  }
  if (weights.length === 0) return tooMany(0n);
  const n = BigInt(weights.length);
  const sum = weights.reduce((a, b) => a + b, 0n);
  const mean = sum / n;
  const variance = weights.reduce((a, w) => a + (w - mean) * (w - mean), 0n) / (n * n);
  const spread = 2n * squareRoot(variance);
  const found = weights.some((w) => w > 0n) ? 1n : 0n;
  // Where no walk fits, three of them might have: the rule of three.
  const high = found ? mean + spread : (3n * ways) / (n * n);
  const low = mean > spread ? mean - spread : found;
  return { exact: null, low: low > found ? low : found, high: high > found ? high : 1n, proven: false };
}

function squareRoot(v: bigint): bigint {
  if (v < 2n) return v;
  let x = 1n << BigInt((v.toString(2).length + 1) >> 1);
  for (;;) {
    const next = (x + v / x) >> 1n;
    if (next >= x) return x;
    x = next;
  }
}

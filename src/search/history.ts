import type { Assignment, Decided } from '../space/assignment.ts';

export interface Objective {
  readonly direction: 'maximize' | 'minimize';
  readonly name: string;
}

/** A trial as searchers see it. `metrics` is null while it runs and when it failed. */
export interface TrialRecord {
  readonly trial: number;
  readonly assignment: Assignment;
  readonly state: 'running' | 'complete' | 'failed' | 'pruned';
  readonly metrics: Readonly<Record<string, number>> | null;
}

const showDecided = (v: Decided): string => (Array.isArray(v) ? `[${v.join(',')}]` : JSON.stringify(v));

/** Equal for equal assignments, whatever the order of their keys. */
export const assignmentKey = (a: Assignment): string =>
  Object.keys(a)
    .sort()
    .map((path) => `${path}=${showDecided(a[path]!)}`)
    .join(';');

/** Values of the objectives, larger is better; null where one is missing or not finite. */
export function scores(record: TrialRecord, objectives: readonly Objective[]): readonly number[] | null {
  if (record.metrics === null) return null;
  const values: number[] = [];
  for (const o of objectives) {
    const v = record.metrics[o.name];
    if (v === undefined || !Number.isFinite(v)) return null;
    values.push(o.direction === 'maximize' ? v : -v);
  }
  return values;
}

/** Whether a is at least as good as b everywhere, and better somewhere. */
export const dominates = (a: readonly number[], b: readonly number[]): boolean =>
  a.every((v, i) => v >= b[i]!) && a.some((v, i) => v > b[i]!);

// Better in the first place where they differ comes first: a point can be dominated only by one before it.
const firstDifference = (a: readonly number[], b: readonly number[]): number => {
  for (let k = 0; k < a.length; k++) if (a[k] !== b[k]) return b[k]! - a[k]!;
  return 0;
};

// Fronts of non-dominated points, best front first (efficient non-dominated sort, Zhang et al. 2015).
function fronts(points: readonly (readonly number[])[]): readonly (readonly number[])[] {
  const found: number[][] = [];
  const order = points.map((_, i) => i).sort((a, b) => firstDifference(points[a]!, points[b]!) || a - b);
  for (const i of order) {
    const front = found.find((f) => !f.some((j) => dominates(points[j]!, points[i]!)));
    if (front) front.push(i);
    else found.push([i]);
  }
  return found;
}

/** Trials that no other dominates, in order of asking. */
export function paretoFront(records: readonly TrialRecord[], objectives: readonly Objective[]): readonly TrialRecord[] {
  const scored = records.flatMap((r) => {
    const score = r.state === 'complete' ? scores(r, objectives) : null;
    return score ? [{ r, score }] : [];
  });
  const [best = []] = fronts(scored.map((s) => s.score));
  return [...best].sort((a, b) => a - b).map((i) => scored[i]!.r);
}

// Sum over the objectives of the distance between the neighbours on either side, among points of one front (Deb et al. 2002).
function crowding(points: readonly (readonly number[])[]): number[] {
  const distance = points.map(() => 0);
  for (let k = 0; k < (points[0]?.length ?? 0); k++) {
    const order = points.map((_, i) => i).sort((a, b) => points[a]![k]! - points[b]![k]!);
    const extent = points[order.at(-1)!]![k]! - points[order[0]!]![k]! || 1;
    order.forEach((at, i) => {
      const edge = i === 0 || i === order.length - 1;
      distance[at]! += edge ? Infinity : (points[order[i + 1]!]![k]! - points[order[i - 1]!]![k]!) / extent;
    });
  }
  return distance;
}

// Best first: by front, within a front by crowding. With one objective that is by value.
function bestFirst(points: readonly (readonly number[])[]): number[] {
  if ((points[0]?.length ?? 1) === 1)
    return points.map((_, i) => i).sort((a, b) => points[b]![0]! - points[a]![0]! || a - b);
  return fronts(points).flatMap((front) => {
    const spread = crowding(front.map((i) => points[i]!));
    return front
      .map((i, at) => ({ i, d: spread[at]! }))
      .sort((a, b) => (a.d === b.d ? a.i - b.i : b.d - a.d))
      .map(({ i }) => i);
  });
}

/** Everything that was asked and told; `trials` are in the order of asking, whatever their numbers. Ranks put the best trial at 1 and the worst at 0; failures are 0. */
export class History {
  readonly objectives: readonly Objective[];
  private readonly records: TrialRecord[] = [];
  private readonly indices = new Map<number, number>();
  private readonly keys = new Set<string>();
  private cachedRanks: Map<number, number> | null = null;

  constructor(objectives: readonly Objective[]) {
    this.objectives = objectives;
  }

  get trials(): readonly TrialRecord[] {
    return this.records;
  }

  asked(trial: number, assignment: Assignment): void {
    if (this.indices.has(trial)) throw new Error(`bug: trial ${trial} was asked twice`);
    this.indices.set(trial, this.records.length);
    this.records.push({ trial, assignment, state: 'running', metrics: null });
    this.keys.add(assignmentKey(assignment));
  }

  told(trial: number, state: 'complete' | 'failed' | 'pruned', metrics: Readonly<Record<string, number>> | null): void {
    const index = this.indices.get(trial);
    if (index === undefined) throw new Error(`bug: trial ${trial} was told but never asked`);
    this.records[index] = { ...this.records[index]!, state, metrics };
    this.cachedRanks = null;
  }

  has(assignment: Assignment): boolean {
    return this.keys.has(assignmentKey(assignment));
  }

  /** Finished trials, in the order of asking. */
  finished(): readonly TrialRecord[] {
    return this.records.filter((r) => r.state !== 'running');
  }

  /** Trial number -> rank in [0, 1] among the finished; equal scores share the mean rank. */
  ranks(): ReadonlyMap<number, number> {
    if (this.cachedRanks) return this.cachedRanks;
    const ranks = new Map<number, number>();
    const scored: { trial: number; score: readonly number[] }[] = [];
    for (const r of this.finished()) {
      const score = r.state === 'complete' ? scores(r, this.objectives) : null;
      if (score) scored.push({ trial: r.trial, score });
      else ranks.set(r.trial, 0);
    }
    const order = bestFirst(scored.map((s) => s.score));
    const n = order.length;
    for (let i = 0; i < n;) {
      let j = i + 1;
      const same = (a: number, b: number): boolean =>
        this.objectives.length === 1 && scored[a]!.score[0] === scored[b]!.score[0];
      while (j < n && same(order[i]!, order[j]!)) j++;
      const rank = n === 1 ? 1 : 1 - (i + j - 1) / 2 / (n - 1);
      for (let k = i; k < j; k++) ranks.set(scored[order[k]!]!.trial, rank);
      i = j;
    }
    this.cachedRanks = ranks;
    return ranks;
  }

  /** The best complete trial: of several objectives the one on the front with the best first objective. */
  best(): TrialRecord | null {
    let best: TrialRecord | null = null;
    let most: readonly number[] = [];
    for (const r of this.records) {
      const score = r.state === 'complete' ? scores(r, this.objectives) : null;
      if (score && (!best || firstDifference(most, score) > 0)) [best, most] = [r, score];
    }
    return best;
  }
}

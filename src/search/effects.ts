import type { Assignment, Decided } from '../space/assignment.ts';
import type { History } from './history.ts';

/** Trials that a mean is worth before it has seen any: pulls rare values towards no effect. */
const SHRINK = 2;
/** Width of the kernel over a continuous decision, as a share of the range that was seen. */
const BANDWIDTH = 0.15;

interface Seen {
  sum: number;
  trials: number;
}

interface Curve {
  readonly log: boolean;
  readonly low: number;
  readonly extent: number;
  readonly points: { readonly at: number; readonly reward: number }[];
}

const keyOf = (v: Decided): string => (typeof v === 'object' ? v.join() : `${typeof v}:${v}`);
const isFraction = (v: Decided | undefined): v is number => typeof v === 'number' && !Number.isInteger(v);

/**
 * What each value of each decision did to the reward, over all finished trials: the all-moves-as-first heuristic (Gelly and Silver 2007). Continuous decisions are
 * smoothed by a kernel. Made anew when results have come.
 */
export class Effects {
  private readonly table = new Map<string, Map<string, Seen>>();
  private readonly curves = new Map<string, Curve>();
  private readonly mean: number;

  constructor(history: History, continuous: ReadonlySet<string>) {
    const ranks = history.ranks();
    const numbers = new Map<string, { value: number; reward: number }[]>();
    let total = 0;
    for (const t of history.finished()) {
      const reward = ranks.get(t.trial)!;
      total += reward;
      for (const [path, value] of Object.entries(t.assignment)) {
        if (continuous.has(path) || isFraction(value)) push(numbers, path, { value: Number(value), reward });
        else this.add(path, keyOf(value), reward);
      }
    }
    this.mean = ranks.size > 0 ? total / ranks.size : 0.5;
    for (const [path, points] of numbers) this.curves.set(path, curveOf(points));
  }

  private add(path: string, key: string, reward: number): void {
    let values = this.table.get(path);
    if (!values) this.table.set(path, (values = new Map<string, Seen>()));
    const seen = values.get(key);
    if (seen) {
      seen.sum += reward;
      seen.trials++;
    } else values.set(key, { sum: reward, trials: 1 });
  }

  /** Expected reward of trials where the decision takes one of the values. */
  of(path: string, values: readonly Decided[]): number {
    const curve = this.curves.get(path);
    if (curve) return this.onCurve(curve, Number(values[0]));
    let [sum, trials] = [SHRINK * this.mean, SHRINK];
    for (const v of values) {
      const seen = this.table.get(path)?.get(keyOf(v));
      if (seen) [sum, trials] = [sum + seen.sum, trials + seen.trials];
    }
    return sum / trials;
  }

  private onCurve(curve: Curve, value: number): number {
    const x = ((curve.log ? Math.log(value) : value) - curve.low) / curve.extent;
    let [sum, weight] = [SHRINK * 0.5 * this.mean, SHRINK * 0.5];
    for (const { at, reward } of curve.points) {
      const w = Math.exp(-(((x - at) / BANDWIDTH) ** 2) / 2);
      sum += w * reward;
      weight += w;
    }
    return sum / weight;
  }

  /** Sum of the effects of a member's decisions: more is better. */
  score(a: Assignment): number {
    let sum = 0;
    for (const [path, value] of Object.entries(a)) sum += this.of(path, [value]) - this.mean;
    return sum;
  }
}

function push<K, V>(map: Map<K, V[]>, key: K, value: V): void {
  const list = map.get(key);
  if (list) list.push(value);
  else map.set(key, [value]);
}

// Positions within the range that was seen, in its logarithm where it spans much.
function curveOf(points: readonly { readonly value: number; readonly reward: number }[]): Curve {
  const values = points.map((p) => p.value);
  const [min, max] = [Math.min(...values), Math.max(...values)];
  const log = min > 0 && max / min > 20;
  const at = (v: number): number => (log ? Math.log(v) : v);
  const extent = at(max) - at(min) || 1;
  return {
    log,
    low: at(min),
    extent,
    points: points.map((p) => ({ at: (at(p.value) - at(min)) / extent, reward: p.reward })),
  };
}

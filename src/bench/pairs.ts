import type { Case, CaseLine } from './case.ts';
import { casesOf } from './kinds.ts';
import { gflops } from './measure.ts';

/** Two of our own cases, timed by turns. */
export interface PairRow {
  readonly case: string;
  readonly over: string;
  readonly threads: number;
  /** Medians over the rounds. */
  readonly ms: number;
  readonly overMs: number;
  readonly gflops: number | null;
  /** Median of the rounds' ratios of the case to the other, and what the middle half of them lies between. */
  readonly ratio: number;
  readonly low: number;
  readonly high: number;
  readonly rounds: number;
}

export interface PairOptions {
  readonly threads: number;
  /** How long each of the two is called in a round. */
  readonly seconds: number;
  readonly rounds: number;
}

const WARM_ROUNDS = 2;

/** The value that `share` of the others lie below; between two of them, a mean. */
export function quantile(numbers: readonly number[], share: number): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  const at = share * (sorted.length - 1);
  const [below, above] = [sorted[Math.floor(at)]!, sorted[Math.ceil(at)]!];
  return below + (at - Math.floor(at)) * (above - below);
}
const median = (numbers: readonly number[]): number => quantile(numbers, 0.5);

/** Median of the calls in about `seconds`, in milliseconds a step; the first call, which finds the other case in the caches, counts only where it is one of many. */
function turn(c: Case, seconds: number): number {
  const times: number[] = [];
  const end = performance.now() + seconds * 1000;
  do {
    const began = performance.now();
    c.run();
    times.push(performance.now() - began);
  } while (performance.now() < end || times.length < 2);
  return times.length < 3 ? Math.min(...times) / c.steps : median(times) / c.steps;
}

/** One round after the other, each case first in every second one, so that a machine that grows slower or faster does so for both. */
export function timePair(c: Case, over: Case, { threads, seconds, rounds }: PairOptions): PairRow {
  const times: { readonly ms: number; readonly overMs: number }[] = [];
  for (let round = -WARM_ROUNDS; round < rounds; round++) {
    const early = round % 2 === 0 ? turn(c, seconds) : null;
    const overMs = turn(over, seconds);
    const ms = early ?? turn(c, seconds);
    if (round >= 0) times.push({ ms, overMs });
  }
  const ratios = times.map((t) => t.ms / t.overMs);
  const [ms, overMs] = [median(times.map((t) => t.ms)), median(times.map((t) => t.overMs))];
  const [low, ratio, high] = [0.25, 0.5, 0.75].map((share) => quantile(ratios, share)) as [number, number, number];
  return { case: c.name, over: over.name, threads, ms, overMs, gflops: gflops(c, ms), ratio, low, high, rounds };
}

/** Cases of two lines that are of the same part of the work, by what their names add to the line's (`/fwd`, `/fwdbwd`). */
export function pairsOf(line: CaseLine, over: CaseLine, threads: number): readonly (readonly [Case, Case])[] {
  const part = (c: Case, of: CaseLine): string => c.name.slice(of.name.length);
  const others = new Map(casesOf(over, threads).map((c) => [part(c, over), c]));
  return casesOf(line, threads).flatMap((c) => {
    const other = others.get(part(c, line));
    return other ? [[c, other] as const] : [];
  });
}

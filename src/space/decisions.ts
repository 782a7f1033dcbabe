import { Unfit } from '../base/unfit.ts';
import type { Span } from '../base/span.ts';
import type { Random } from '../base/philox.ts';
import { BUDGET, Beyond } from './limits.ts';
import type { Decided } from './assignment.ts';
import type { Alternative, RangeExpr, Scalar, Site } from './expr.ts';

/** One way to make a decision: its stored value and its share of the prior (shares of a decision sum to 1). */
export interface Option {
  readonly value: Decided;
  readonly share: number;
}

/** A continuous decision: what stands between its ends, under a prior. */
export interface Interval {
  readonly low: number;
  readonly high: number;
  readonly log: boolean;
  readonly centre: number | null;
}

const memo = new WeakMap<object, readonly Option[]>();

function shares(weights: readonly number[]): number[] {
  const total = weights.reduce((a, b) => a + b, 0);
  return weights.map((w) => w / total);
}

// Numbers, texts and truths stand for themselves; the rest is shown by its text.
function plainValue(expr: unknown): Scalar | null {
  const e = expr as { kind: string; value?: Scalar; op?: string; operand?: unknown };
  if (e.kind === 'const') return e.value!;
  if (e.kind === 'unary' && e.op === '-') {
    const inner = plainValue(e.operand);
    return typeof inner === 'number' ? -inner : null;
  }
  return null;
}

/** The options of a choice, in text order. Equal alternatives stay apart: the second `3` is "3 #2". */
export function choiceOptions(alternatives: readonly Alternative<unknown>[]): readonly Option[] {
  let options = memo.get(alternatives);
  if (!options) {
    const share = shares(alternatives.map((a) => a.weight));
    const seen = new Map<string, number>();
    options = alternatives.map((a, i) => {
      const value = plainValue(a.expr) ?? a.text;
      const key = `${typeof value}:${value}`;
      const times = (seen.get(key) ?? 0) + 1;
      seen.set(key, times);
      return { value: times === 1 ? value : `${value} #${times}`, share: share[i]! };
    });
    memo.set(alternatives, options);
  }
  return options;
}

function equalOptions(values: readonly Decided[]): readonly Option[] {
  return values.map((value) => ({ value, share: 1 / values.length }));
}

/** The n! orders, lexicographic in positions. */
export function orders(n: number): readonly (readonly number[])[] {
  let size = 1;
  for (let i = 2; i <= n; i++) size *= i;
  if (size > BUDGET.alternatives) throw new Beyond(`an order of ${n} networks has ${size} alternatives`);
  const out: number[][] = [];
  const walk = (chosen: number[]): void => {
    if (chosen.length === n) out.push(chosen);
    else for (let i = 0; i < n; i++) if (!chosen.includes(i)) walk([...chosen, i]);
  };
  walk([]);
  return out;
}

export const orderOptions = (n: number): readonly Option[] => equalOptions(orders(n));

/** The n-subsets of k positions, lexicographic. */
export function picks(k: number, n: number): readonly (readonly number[])[] {
  if (!Number.isInteger(n) || n < 0 || n > k)
    throw new Unfit('pick does not fit', `a whole number from 0 to ${k}`, String(n));
  let size = 1;
  for (let i = 0; i < n; i++) size = (size * (k - i)) / (i + 1);
  if (size > BUDGET.alternatives) throw new Beyond(`pick of ${n} of ${k} has ${size} alternatives`);
  const out: number[][] = [];
  const walk = (chosen: number[], from: number): void => {
    if (chosen.length === n) out.push(chosen);
    else for (let i = from; i < k; i++) walk([...chosen, i], i + 1);
  };
  walk([], 0);
  return out;
}

export const pickOptions = (k: number, n: number): readonly Option[] => equalOptions(picks(k, n));

export interface RangeEnds {
  readonly low: number;
  readonly high: number;
  readonly step: number | null;
  readonly centre: number | null;
}

/** Whole, stepped and `pow2` ranges are finite; the others are continuous. */
export function rangeDomain(range: RangeExpr, ends: RangeEnds): readonly Option[] | Interval {
  let known = domains.get(range);
  if (!known) domains.set(range, (known = new Map<string, readonly Option[] | Interval>()));
  const key = `${ends.low},${ends.high},${ends.step},${ends.centre}`;
  let found = known.get(key);
  if (!found) known.set(key, (found = makeDomain(range, ends)));
  return found;
}

const domains = new WeakMap<RangeExpr, Map<string, readonly Option[] | Interval>>();

function makeDomain(range: RangeExpr, ends: RangeEnds): readonly Option[] | Interval {
  const { low, high, step, centre } = ends;
  const log = range.spacing === 'log';
  if (![low, high, step ?? 0].every(Number.isFinite))
    throw new Unfit('the range is endless', 'finite ends', `${low}..${high}`);
  if (!(low <= high)) throw new Unfit('the range is empty', 'a low end below the high one', `${low}..${high}`);
  if ((log || range.spacing === 'pow2') && low <= 0)
    throw new Unfit('the range touches 0', 'a low end above 0', `${low}`);
  if (step !== null && !(step > 0)) throw new Unfit('the step is not above 0', 'a step above 0', `${step}`);
  if (!range.whole && step === null && range.spacing !== 'pow2') return { low, high, log, centre };
  const points = range.spacing === 'pow2' ? powers(low, high) : grid(low, high, step ?? 1, range.span);
  if (points.length === 0) throw new Unfit('the range is empty', 'a power of two in it', `${low}..${high}`);
  const share = shares(points.map((p) => density(p, { low, high, log, centre })));
  return points.map((value, i) => ({ value, share: share[i]! }));
}

function powers(low: number, high: number): number[] {
  const out: number[] = [];
  for (let p = 2 ** Math.ceil(Math.log2(low) - 1e-12); p <= high * (1 + 1e-12); p *= 2) out.push(p);
  return out;
}

function grid(low: number, high: number, step: number, span: Span): number[] {
  const size = Math.floor((high - low) / step + 1e-9) + 1;
  if (size > BUDGET.alternatives)
    throw new Beyond(`a range of ${size} alternatives: at most ${BUDGET.alternatives} are analysed`, span);
  // Decimal steps are rounded to the digits that they were written with.
  const tidy = (v: number): number => (Number.isInteger(v) ? v : Number(v.toPrecision(12)));
  return Array.from({ length: size }, (_, i) => tidy(low + i * step));
}

// A prior centred at v is normal in the range's own spacing, with a quarter of its width as deviation.
function density(p: number, at: Interval): number {
  if (at.centre === null || at.low === at.high) return at.log ? 1 / p : 1;
  const t = at.log ? Math.log : (x: number): number => x;
  const z = (t(p) - t(at.centre)) / ((t(at.high) - t(at.low)) / 4);
  return Math.exp(-0.5 * z * z) / (at.log ? p : 1);
}

/** Stands for an open decision where its number is not drawn yet: the prior's centre or the middle. */
export function middle(at: Interval): number {
  if (at.centre !== null) return at.centre;
  return at.log ? Math.sqrt(at.low * at.high) : (at.low + at.high) / 2;
}

export function drawInterval(at: Interval, random: Random): number {
  if (at.low === at.high) return at.low;
  const t = at.log ? Math.log : (x: number): number => x;
  const [low, high] = [t(at.low), t(at.high)];
  let u = low + (high - low) * random.uniform();
  if (at.centre !== null) {
    // Redrawn until inside: at worst half of the mass is outside at either end.
    for (let i = 0; i < 64; i++) {
      const normal = t(at.centre) + (random.normal() * (high - low)) / 4;
      if (normal >= low && normal <= high) {
        u = normal;
        break;
      }
    }
  }
  const v = at.log ? Math.exp(u) : u;
  return Math.min(at.high, Math.max(at.low, v));
}

export const isInterval = (d: readonly Option[] | Interval): d is Interval => !Array.isArray(d);

export const sameDecided = (a: Decided | undefined, b: Decided): boolean =>
  a === b || (typeof a === 'object' && typeof b === 'object' && a.length === b.length && a.every((v, i) => v === b[i]));

/** What a decision adds to its scope's path. `own`: the let whose value is evaluated, which lends its path to a decision of its name. */
export function siteSuffix(site: Site, own: string | null): string {
  const number = site.use === null ? '' : `[${site.use}]`;
  return site.label === own ? number : `.${site.label}${number}`;
}

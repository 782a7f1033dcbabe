import type { Measure, RequireExpr, RequireTerm, Requirement } from './require-expr.ts';
import type { SettingChoice } from './settings.ts';
import type { Tracked } from './table.ts';
import { applyBinary } from './values.ts';
import type { Datum } from './values.ts';

/** Numbers that an optimizer keeps for each parameter. */
export function optimizerSlots(s: SettingChoice): number {
  if (s.kind === 'choice') return Math.max(...s.alternatives.map((a) => optimizerSlots(a.expr)));
  if (s.name !== 'sgd') return 2;
  const momentum = s.args.find((a) => a.name === 'momentum');
  return !momentum || (momentum.value.kind === 'const' && momentum.value.value === 0) ? 0 : 1;
}

export function measuresIn(e: RequireExpr, into: Set<Measure> = new Set()): Set<Measure> {
  const term = (t: RequireTerm): void => void (t.kind === 'measure' && into.add(t.measure));
  switch (e.kind) {
    case 'compare':
      [e.left, e.right].forEach(term);
      break;
    case 'within':
      [e.term, e.low, e.high].forEach(term);
      break;
    case 'and':
    case 'or':
      measuresIn(e.left, into);
      measuresIn(e.right, into);
      break;
    case 'not':
      measuresIn(e.operand, into);
  }
  return into;
}

const constantOf = (t: RequireTerm): number | null =>
  t.kind === 'value' && t.expr.kind === 'const' && typeof t.expr.value === 'number' ? t.expr.value : null;

interface Bounds {
  /** Every constant that the measure is compared with; null where it is compared with something else. */
  constants: number[] | null;
  /** No member above it fits. */
  most: number;
}

/** What requirements say of a measure: how far it must be told apart. */
function boundsOf(requirements: readonly Requirement[], measure: Measure): Bounds {
  const out: Bounds = { constants: [], most: Infinity };
  const isIt = (t: RequireTerm): boolean => t.kind === 'measure' && t.measure === measure;
  const against = (t: RequireTerm): void => {
    const c = constantOf(t);
    if (c === null) out.constants = null;
    else out.constants?.push(c);
  };
  const visit = (e: RequireExpr, must: boolean): void => {
    switch (e.kind) {
      case 'compare': {
        const [left, right] = [isIt(e.left), isIt(e.right)];
        if (left) against(e.right);
        if (right) against(e.left);
        const limit = left && (e.op === '<' || e.op === '<=' || e.op === '==') ? constantOf(e.right) : null;
        const other = right && (e.op === '>' || e.op === '>=' || e.op === '==') ? constantOf(e.left) : null;
        if (must) for (const c of [limit, other]) if (c !== null) out.most = Math.min(out.most, c);
        return;
      }
      case 'within': {
        if (isIt(e.low) || isIt(e.high)) out.constants = null;
        if (!isIt(e.term)) return;
        against(e.low);
        against(e.high);
        const high = constantOf(e.high);
        if (must && high !== null) out.most = Math.min(out.most, high);
        return;
      }
      case 'and':
        visit(e.left, must);
        visit(e.right, must);
        return;
      case 'or':
        visit(e.left, false);
        visit(e.right, false);
        return;
      case 'not':
        visit(e.operand, false);
    }
  };
  for (const r of requirements) visit(r.expr, true);
  return out;
}

/** The measures that requirements name, besides depth. `buckets` 0: told apart exactly. */
export function trackedMeasures(requirements: readonly Requirement[], buckets: number): readonly Tracked[] {
  const named = new Set<Measure>();
  for (const r of requirements) measuresIn(r.expr, named);
  const out: Tracked[] = [];
  for (const measure of named) {
    if (measure === 'depth') continue;
    const { constants, most } = boundsOf(requirements, measure);
    const cap = constants && constants.length > 0 ? Math.max(...constants.map((c) => Math.floor(c))) + 1 : Infinity;
    const scale = Number.isFinite(cap) ? cap : 1e12;
    out.push({ measure, most, cap: Math.max(cap, 1), quantum: buckets === 0 ? 0 : Math.max(1, scale / buckets) });
  }
  return out;
}

export const tracksDepth = (requirements: readonly Requirement[]): boolean =>
  requirements.some((r) => measuresIn(r.expr).has('depth'));

/** Known to hold, known to fail, open between the bounds, or void: it speaks of a value that the member does not decide. */
export type Verdict = 'yes' | 'no' | 'open' | 'void';

/** A term as an interval; null: a value that the member does not decide. */
export type TermValue = { readonly low: number; readonly high: number } | { readonly exact: Datum } | null;

const flip: Record<Verdict, Verdict> = { yes: 'no', no: 'yes', open: 'open', void: 'void' };

/** A requirement over a member. What is void binds nothing. */
export function judge(e: RequireExpr, term: (t: RequireTerm) => TermValue): Verdict {
  switch (e.kind) {
    case 'compare':
      return compare(e.op, term(e.left), term(e.right));
    case 'within':
      return both(compare('>=', term(e.term), term(e.low)), compare('<=', term(e.term), term(e.high)));
    case 'and':
      return both(judge(e.left, term), judge(e.right, term));
    case 'or':
      return flip[both(flip[judge(e.left, term)], flip[judge(e.right, term)])];
    case 'not':
      return flip[judge(e.operand, term)];
  }
}

function both(a: Verdict, b: Verdict): Verdict {
  if (a === 'void') return b;
  if (b === 'void') return a;
  return a === 'no' || b === 'no' ? 'no' : a === 'open' || b === 'open' ? 'open' : 'yes';
}

type Comparison = Extract<RequireExpr, { kind: 'compare' }>['op'];

function compare(op: Comparison, a: TermValue, b: TermValue): Verdict {
  if (a === null || b === null) return 'void';
  const [x, y] = [interval(a), interval(b)];
  if (!x || !y || (x.low === x.high && y.low === y.high)) {
    return applyBinary(op, datum(a), datum(b)) === true ? 'yes' : 'no';
  }
  switch (op) {
    case '<=':
      return x.high <= y.low ? 'yes' : x.low > y.high ? 'no' : 'open';
    case '<':
      return x.high < y.low ? 'yes' : x.low >= y.high ? 'no' : 'open';
    case '>=':
      return compare('<=', b, a);
    case '>':
      return compare('<', b, a);
    case '==':
      return x.high < y.low || x.low > y.high ? 'no' : 'open';
    case '!=':
      return x.high < y.low || x.low > y.high ? 'yes' : 'open';
  }
}

const interval = (t: NonNullable<TermValue>): { low: number; high: number } | null =>
  'low' in t ? t : typeof t.exact === 'number' ? { low: t.exact, high: t.exact } : null;
const datum = (t: NonNullable<TermValue>): Datum => ('low' in t ? t.low : t.exact);

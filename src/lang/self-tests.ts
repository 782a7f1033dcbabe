import { MEASURES } from '../space/require-expr.ts';
import type { Measure } from '../space/require-expr.ts';
import type { Space } from '../space/space.ts';
import { count } from '../space/count.ts';
import { ranges } from '../space/ranges.ts';
import { exactInteger } from '../../grammar/literals.ts';
import type { CheckStatement, Expr, Spanned } from '../../grammar/syntax.ts';
import { inner, newNumbers, report, spanOf, textOf, want } from './context.ts';
import { walkSpace } from './flow.ts';
import { didYouMean } from '../base/nearest.ts';
import type { CheckedSpace } from './spaces.ts';
import { lookup } from './scope.ts';
import { defaultTrain } from './train.ts';
import { constantNumber, elaborateValue } from './values.ts';
import type { Context } from './model.ts';
import type { InputDecl } from '../space/expr.ts';

/** A figure of a space: one number, or what its members have at least and at most. Null: already reported. */
interface Figure {
  readonly low: bigint | number;
  readonly high: bigint | number;
  readonly known: Known;
}

/** Both ends are those of members; proven, of one number between them; met in random members; an estimate. */
type Known = 'ends' | 'bounds' | 'seen' | 'estimate';

const DOUBTS: Readonly<Record<Known, string>> = {
  ends: '',
  bounds: ' (proven bounds)',
  seen: ' (seen in random members only)',
  estimate: ' (an estimate)',
};

type Verdict = 'holds' | 'fails' | 'open';

/** Tests a `check` statement: of a space, or of a file where each figure names what it is of. */
export function runCheck(
  s: CheckStatement,
  space: Space | null,
  spaces: ReadonlyMap<string, CheckedSpace>,
  cx: Context,
): void {
  for (const condition of s.conditions) {
    const found: string[] = [];
    const verdict = judge(condition, { space, spaces, cx, found });
    if (verdict === null || verdict === 'holds') continue;
    const what = found.length === 0 ? 'false' : found.join(', ');
    if (verdict === 'fails')
      report(cx, 'E604', condition, 'this check does not hold', { expected: textOf(cx, condition), found: what });
    else
      report(cx, 'E604', condition, 'this check could not be proven', {
        severity: 'warning',
        expected: textOf(cx, condition),
        found: what,
      });
  }
}

interface Test {
  readonly space: Space | null;
  readonly spaces: ReadonlyMap<string, CheckedSpace>;
  readonly cx: Context;
  /** What the figures came to, for the message. */
  readonly found: string[];
}

const flip = { holds: 'fails', fails: 'holds', open: 'open' } as const;

function judge(e: Expr, t: Test): Verdict | null {
  if (e.kind === 'unary' && e.operator === 'not') {
    const inside = judge(e.value, t);
    return inside && flip[inside];
  }
  if (e.kind === 'binary') {
    const { operator: op } = e;
    if (op === 'and' || op === 'or') {
      const a = judge(e.left, t);
      const b = judge(e.right, t);
      return a && b && (op === 'and' ? both(a, b) : flip[both(flip[a], flip[b])]);
    }
    if (op === 'in' && e.right.kind === 'range') {
      const [x, low, high] = [figure(e.left, t), figure(e.right.from, t), figure(e.right.to, t)];
      return x && low && high && both(compare('>=', x, low), compare('<=', x, high));
    }
    if (op === '==' || op === '!=' || op === '<' || op === '<=' || op === '>' || op === '>=') {
      const a = figure(e.left, t);
      const b = figure(e.right, t);
      return a && b && compare(op, a, b);
    }
  }
  report(t.cx, 'E206', e, 'a check is a comparison', {
    expected: '`check count == 15_625` or `check params <= 700k`',
    found: textOf(t.cx, e),
  });
  return null;
}

const both = (a: Verdict, b: Verdict): Verdict =>
  a === 'fails' || b === 'fails' ? 'fails' : a === 'open' || b === 'open' ? 'open' : 'holds';

type Op = '==' | '!=' | '<' | '<=' | '>' | '>=';

// A claim about a space holds where it does for every member.
function compare(op: Op, a: Figure, b: Figure): Verdict {
  const known = [a.known, b.known];
  if (always(op, a, b)) return known.every((k) => k === 'ends' || k === 'bounds') ? 'holds' : 'open';
  if (known.every((k) => k === 'ends')) return 'fails';
  return always(opposite[op], a, b) && !known.includes('estimate') ? 'fails' : 'open';
}

const opposite: Readonly<Record<Op, Op>> = { '==': '!=', '!=': '==', '<': '>=', '>=': '<', '>': '<=', '<=': '>' };

function always(op: Op, a: Figure, b: Figure): boolean {
  switch (op) {
    case '==':
      return a.low == a.high && b.low == b.high && a.low == b.low;
    case '!=':
      return a.high < b.low || b.high < a.low;
    case '<':
      return a.high < b.low;
    case '<=':
      return a.high <= b.low;
    case '>':
      return a.low > b.high;
    case '>=':
      return a.low >= b.high;
  }
}

function figure(e: Expr, t: Test): Figure | null {
  if (e.kind === 'number') {
    const value = exactInteger(e) ?? e.value;
    return { low: value, high: value, known: 'ends' };
  }
  const callee = e.kind === 'name' ? e : e.kind === 'call' && e.callee.kind === 'name' ? e.callee : null;
  if (callee && !lookup(t.cx.scope, callee.name) && (callee.name === 'count' || isMeasure(callee.name))) {
    const args = e.kind === 'call' ? e.args.map((a) => a.value) : [];
    return figureOf(callee.name, args, e, t);
  }
  const expr = elaborateValue(e, { ...t.cx, label: { label: 'check', sites: [] } }, 'a side of a check');
  if (!expr) return null;
  const value = constantNumber(expr);
  if (value !== null) return { low: value, high: value, known: 'ends' };
  report(t.cx, 'E206', e, 'a check compares figures of a space with numbers', {
    expected: '`count`, `params`, `flops`, `macs`, `memory` or `depth`, or a number',
    found: textOf(t.cx, e),
  });
  return null;
}

const isMeasure = (name: string): name is Measure => MEASURES.some((m) => m === name);

function figureOf(name: 'count' | Measure, args: readonly Expr[], at: Expr, t: Test): Figure | null {
  const [arg, second] = args;
  if (second) {
    report(t.cx, 'E202', second, `\`${name}\` takes one argument`, {
      expected: `${name}(f32[B, 8] -> f)`,
      found: textOf(t.cx, at),
    });
    return null;
  }
  const all = name === 'count' && arg?.kind === 'name' && arg.name === 'all' && !lookup(t.cx.scope, 'all');
  const space = arg && !all ? spaceOf(arg, t) : t.space;
  if (!space) {
    if (!arg || all) {
      report(t.cx, 'E206', at, `\`${name}\` outside of a space must say of what`, {
        expected: `${name}(a space), or ${name}(f32[B, 8] -> f)`,
        found: textOf(t.cx, at),
      });
    }
    return null;
  }
  const found = name === 'count' ? countFigure(space, all) : rangeFigure(space, name);
  t.found.push(`${textOf(t.cx, at)} is ${show(found)}`);
  return found;
}

function countFigure(space: Space, train: boolean): Figure {
  const { exact, low, high, proven } = count(space, { train });
  return { low, high, known: exact !== null ? 'ends' : proven ? 'bounds' : 'estimate' };
}

function rangeFigure(space: Space, measure: Measure): Figure {
  const { min, max, proven } = ranges(space)[measure];
  return { low: min, high: max, known: proven ? 'ends' : 'seen' };
}

function show({ low, high, known }: Figure): string {
  const text = (v: bigint | number): string => String(v).replace(/\B(?=(\d{3})+(?!\d))/g, '_');
  return `${low == high ? text(low) : `${text(low)}..${text(high)}`}${DOUBTS[known]}`;
}

/** `count(Mlp)`, or of what a tensor can be: `count(f32[B, 8] -> f)`. */
function spaceOf(e: Expr, t: Test): Space | null {
  if (e.kind === 'name') {
    const named = t.spaces.get(e.name);
    if (named) return named.space;
    if (!lookup(t.cx.scope, e.name)) {
      report(t.cx, 'E101', e, `there is no space \`${e.name}\``, {
        expected: 'a space of this file',
        found: e.name,
        hint: didYouMean(e.name, t.spaces.keys()),
      });
      return null;
    }
  }
  const inputs: InputDecl[] = [];
  const cx: Context = {
    ...inner(t.cx),
    numbers: newNumbers(),
    label: null,
    body: { place: 'check', wires: [], before: 0, inputs },
  };
  const expr = want(cx, cx.checker.elaborate(e, cx), 'tensor', e, 'what is counted', {
    hint: 'say on which input: `count(f32[B, 8] -> f)`',
  });
  if (!expr) return null;
  const made = anonymous(expr, inputs, e, t);
  const errors = cx.checker.errorCount();
  walkSpace(made, cx.checker);
  return cx.checker.errorCount() === errors ? made : null;
}

function anonymous(expr: Space['outputs'][number]['expr'], inputs: readonly InputDecl[], at: Spanned, t: Test): Space {
  const span = spanOf(t.cx, at);
  return {
    name: 'check',
    inputs: [...(t.space?.inputs ?? []), ...inputs],
    outputs: [{ name: 'result', expr, span }],
    bindings: t.space?.bindings ?? t.cx.checker.fileBindings,
    requirements: [],
    train: defaultTrain(),
    fixed: [],
    span,
  };
}

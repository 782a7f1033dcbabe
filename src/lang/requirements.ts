import { MEASURES } from '../space/require-expr.ts';
import type { ValueExpr } from '../space/expr.ts';
import type { Measure, RequireExpr, RequireTerm, Requirement } from '../space/require-expr.ts';
import type { BinaryExpr, Expr } from '../../grammar/syntax.ts';
import { report, spanOf, textOf } from './context.ts';
import { EMPTY_ENV, domainOf } from './domain.ts';
import { oneOf } from '../base/nearest.ts';
import { lookup, namesWithin } from './scope.ts';
import { elaborateValue } from './values.ts';
import { notYet } from './elaborate.ts';
import type { Context } from './model.ts';

const LATER = ['latency', 'params_total'];

/** A condition of `require` or `where`; null after a report. `outputs` are the names of the space's. */
export function requirement(e: Expr, cx: Context, outputs: readonly string[] = []): Requirement | null {
  if (readsOutput(e, outputs, cx)) return null;
  const expr = condition(e, cx);
  return expr && { expr, text: textOf(cx, e), span: spanOf(cx, e) };
}

function readsOutput(e: Expr, outputs: readonly string[], cx: Context): boolean {
  const name = [...namesWithin(e)].find((n) => outputs.includes(n.name) && !lookup(cx.scope, n.name));
  if (!name) return false;
  report(cx, 'E201', name, `\`${name.name}\` is an output, which is a tensor: a requirement compares values`, {
    expected: `a value, or one of ${oneOf(MEASURES)}`,
    found: 'a tensor',
  });
  return true;
}

function condition(e: Expr, cx: Context): RequireExpr | null {
  if (e.kind === 'unary' && e.operator === 'not') {
    const operand = condition(e.value, cx);
    return operand && { kind: 'not', operand };
  }
  if (e.kind === 'binary') {
    const op = e.operator;
    if (op === 'and' || op === 'or') {
      const left = condition(e.left, cx);
      const right = condition(e.right, cx);
      return left && right && { kind: op, left, right };
    }
    if (op === 'in') return within(e, cx);
    if (op === '==' || op === '!=' || op === '<' || op === '<=' || op === '>' || op === '>=') {
      const left = term(e.left, cx);
      const right = term(e.right, cx);
      return left && right && { kind: 'compare', op, left, right };
    }
  }
  const truth = term(e, cx);
  const span = spanOf(cx, e);
  return (
    truth && {
      kind: 'compare',
      op: '==',
      left: truth,
      right: { kind: 'value', expr: { kind: 'const', value: true, span } },
    }
  );
}

// `w in 8..64`, `w in (8 | 16)`, `w in [8, 16]`.
function within(e: BinaryExpr, cx: Context): RequireExpr | null {
  const left = term(e.left, cx);
  if (e.right.kind === 'range' && !e.right.step && !e.right.pow2) {
    const low = term(e.right.from, cx);
    const high = term(e.right.to, cx);
    return left && low && high && { kind: 'within', term: left, low, high };
  }
  const options =
    e.right.kind === 'choice'
      ? e.right.alternatives.map((a) => a.value)
      : e.right.kind === 'list'
        ? e.right.items
        : null;
  if (!options || options.length === 0) {
    report(cx, 'E206', e.right, 'what stands after `in` must be a range, a choice or a list', {
      expected: '`8..64`, `(8 | 16)` or `[8, 16]`',
      found: textOf(cx, e.right),
    });
    return null;
  }
  const terms = options.map((o) => term(o, cx));
  if (!left || terms.includes(null)) return null;
  return terms
    .map((right): RequireExpr => ({ kind: 'compare', op: '==', left, right: right! }))
    .reduce((a, b) => ({ kind: 'or', left: a, right: b }));
}

export function measureOf(e: Expr, cx: Context): Measure | null {
  if (e.kind !== 'name' || lookup(cx.scope, e.name)) return null;
  return MEASURES.find((m) => m === e.name) ?? null;
}

function term(e: Expr, cx: Context): RequireTerm | null {
  const measure = measureOf(e, cx);
  if (measure) return { kind: 'measure', measure };
  if (e.kind === 'name' && LATER.includes(e.name) && !lookup(cx.scope, e.name)) {
    notYet(`\`${e.name}\` in a requirement`, e, cx);
    return null;
  }
  if (e.kind === 'name' && e.name === 'count' && !lookup(cx.scope, e.name)) {
    report(cx, 'E206', e, '`count` is a figure of the space: a requirement is of each member', {
      expected: `a value, or one of ${oneOf(MEASURES)}`,
      found: 'count',
      hint: '`check count == …` tests it',
    });
    return null;
  }
  const inside = mentionedMeasure(e, cx);
  if (inside) {
    report(cx, 'E206', e, `\`${inside}\` must stand alone on its side of a comparison`, {
      expected: `\`${inside} <= 500k\``,
      found: textOf(cx, e),
    });
    return null;
  }
  const expr = elaborateValue(e, { ...cx, label: { label: 'require', sites: [] } }, 'a side of a requirement');
  return expr && closed(expr, e, cx) ? { kind: 'value', expr } : null;
}

function mentionedMeasure(e: Expr, cx: Context): Measure | null {
  if (e.kind === 'binary')
    return (
      measureOf(e.left, cx) ?? measureOf(e.right, cx) ?? mentionedMeasure(e.left, cx) ?? mentionedMeasure(e.right, cx)
    );
  return e.kind === 'unary' ? (measureOf(e.value, cx) ?? mentionedMeasure(e.value, cx)) : null;
}

// A requirement decides nothing, and what is continuous is known only once it is drawn.
function closed(expr: ValueExpr, at: Expr, cx: Context): boolean {
  if (at.kind === 'choice' || at.kind === 'range' || at.kind === 'prior') {
    const hint =
      at.kind === 'choice'
        ? 'alternatives after `in` stand in parentheses: `w in (1 | 2)`'
        : '`w in 8..64` tests a range';
    report(cx, 'E206', at, 'nothing may stand open in a requirement', {
      expected: 'a value',
      found: textOf(cx, at),
      hint,
    });
    return false;
  }
  const domain = domainOf(expr, EMPTY_ENV());
  if (domain.kind !== 'interval' || !domain.exact || domain.whole) return true;
  report(cx, 'E206', at, 'a continuous range may not stand in a requirement', {
    expected: 'a value with finitely many alternatives',
    found: `anything from ${domain.low} to ${domain.high}`,
    hint: 'give the range a step',
  });
  return false;
}

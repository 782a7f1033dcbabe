import type { BinaryOp, RangeExpr as SpaceRange, Scalar, ValueExpr } from '../space/expr.ts';
import type {
  BinaryExpr,
  Expr,
  NumberLiteral,
  PriorExpr,
  RangeExpr,
  TextLiteral,
  TruthLiteral,
  UnaryExpr,
} from '../../grammar/syntax.ts';
import { EMPTY_ENV, boundsOf, domainOf, oneNumber } from './domain.ts';
import { lookup } from './scope.ts';
import { inner, quote, report, spanOf, textOf, valueSite, want } from './context.ts';
import type { Context, Entity, EntityOf, Meaning, Scope } from './model.ts';
import { ERROR } from './model.ts';

export const literal = (e: NumberLiteral | TextLiteral | TruthLiteral, cx: Context): Meaning => ({
  kind: 'value',
  expr: { kind: 'const', value: e.value, span: spanOf(cx, e) },
});

/** The value that an expression is; null after a report. */
export function elaborateValue(e: Expr, cx: Context, forWhat: string): ValueExpr | null {
  return want(cx, cx.checker.elaborate(e, cx), 'value', e, forWhat);
}

/** What a value is where nothing is open in it; null where something is. */
export const constantNumber = (e: ValueExpr): number | null => oneNumber(domainOf(e, EMPTY_ENV()));

export function unary(e: UnaryExpr, cx: Context): Meaning {
  const operand = elaborateValue(e.value, inner(cx), `what \`${e.operator}\` stands before`);
  if (!operand || !isOf(e.operator === '-' ? 'number' : 'boolean', operand, e.value, e.operator, cx)) return ERROR;
  return { kind: 'value', expr: { kind: 'unary', op: e.operator, operand, span: spanOf(cx, e) } };
}

export function binary(e: BinaryExpr, cx: Context): Meaning {
  const op: BinaryOp = e.operator;
  const left = elaborateValue(e.left, inner(cx), `the left side of \`${op}\``);
  const right = elaborateValue(e.right, inner(cx), `the right side of \`${op}\``);
  if (!left || !right) return ERROR;
  if (op !== '==' && op !== '!=' && op !== 'in') {
    const type = op === 'and' || op === 'or' ? 'boolean' : 'number';
    if (!isOf(type, left, e.left, op, cx) || !isOf(type, right, e.right, op, cx)) return ERROR;
  }
  return { kind: 'value', expr: { kind: 'binary', op, left, right, span: spanOf(cx, e) } };
}

// What plainly is a text where a number is wanted, or the like.
function isOf(type: 'number' | 'boolean', value: ValueExpr, at: Expr, operator: string, cx: Context): boolean {
  const wrong = plainValues(value).find((v) => typeof v !== type);
  if (wrong === undefined) return true;
  const wanted = type === 'number' ? 'a number' : 'true or false';
  report(
    cx,
    'E201',
    at,
    `\`${operator}\` takes ${type === 'number' ? 'numbers' : 'truths'}, and this may be \`${String(wrong)}\``,
    {
      expected: wanted,
      found: textOf(cx, at),
    },
  );
  return false;
}

function plainValues(e: ValueExpr, depth = 0): readonly Scalar[] {
  if (depth > 4) return [];
  if (e.kind === 'const') return [e.value];
  if (e.kind === 'choice') return e.alternatives.flatMap((a) => plainValues(a.expr, depth + 1));
  return e.kind === 'ref' && e.binding.kind === 'valueLet' ? plainValues(e.binding.expr, depth + 1) : [];
}

export function range(e: RangeExpr, cx: Context): Meaning {
  const expr = elaborateRange(e, null, cx);
  return expr ? { kind: 'value', expr } : ERROR;
}

export function prior(e: PriorExpr, cx: Context): Meaning {
  if (e.value.kind !== 'range') {
    report(cx, 'E406', e, `\`~\` gives a range its centre, and ${quote(cx, e.value)} is no range`, {
      expected: 'a range such as `1e-5..1e-1 log ~ 3e-4`',
      found: textOf(cx, e.value),
    });
    return ERROR;
  }
  const expr = elaborateRange(e.value, e.prior, cx);
  return expr ? { kind: 'value', expr } : ERROR;
}

function elaborateRange(e: RangeExpr, priorAt: Expr | null, outer: Context): SpaceRange | null {
  const cx = inner(outer);
  const site = valueSite(cx, e);
  const low = elaborateValue(e.from, cx, 'the low end of a range');
  const high = elaborateValue(e.to, cx, 'the high end of a range');
  const step = e.step ? elaborateValue(e.step, cx, 'the step of a range') : null;
  const centre = priorAt ? elaborateValue(priorAt, cx, 'the prior of a range') : null;
  if (!low || !high || (e.step && !step) || (priorAt && !centre)) return null;
  const made: SpaceRange = {
    kind: 'range',
    site,
    low,
    high,
    whole: isWhole(e.from, cx.scope) && isWhole(e.to, cx.scope) && (!e.step || isWhole(e.step, cx.scope)),
    spacing: e.log ? 'log' : e.pow2 ? 'pow2' : 'linear',
    step,
    prior: centre,
    span: spanOf(cx, e),
  };
  return testRange(e, priorAt, made, cx) ? made : null;
}

// Ends that are open are tested by their bounds.
function testRange(e: RangeExpr, priorAt: Expr | null, r: SpaceRange, cx: Context): boolean {
  const low = boundsOf(domainOf(r.low, EMPTY_ENV()));
  const high = boundsOf(domainOf(r.high, EMPTY_ENV()));
  if (!low || !high) return true;
  const found = textOf(cx, e);
  if (low.low > high.high) {
    report(cx, 'E401', e, 'this range is empty: its ends are reversed', {
      expected: `\`${textOf(cx, e.to)}..${textOf(cx, e.from)}\``,
      found,
      hint: 'the low end stands first',
    });
    return false;
  }
  if ((r.spacing === 'log' || r.spacing === 'pow2') && low.low <= 0) {
    report(cx, 'E402', e.from, `a \`${r.spacing}\` range must stay above 0`, {
      expected: 'a low end above 0',
      found: textOf(cx, e.from),
    });
    return false;
  }
  if (r.spacing === 'pow2' && powersWithin(low.low, high.high) === 0) {
    report(cx, 'E401', e, 'there is no power of two in this range', {
      expected: 'a power of two within the ends',
      found,
    });
    return false;
  }
  return testStep(e, r, cx, low.low, high.high) && testPrior(priorAt, cx, r, low.low, high.high);
}

const powersWithin = (low: number, high: number): number =>
  Math.floor(Math.log2(high) + 1e-12) - Math.ceil(Math.log2(low) - 1e-12) + 1;

function testStep(e: RangeExpr, r: SpaceRange, cx: Context, low: number, high: number): boolean {
  if (!e.step || !r.step) return true;
  const step = constantNumber(r.step);
  if (step === null) return true;
  if (!(step > 0)) {
    report(cx, 'E401', e.step, 'the step of a range must be above 0', {
      expected: 'a step above 0',
      found: String(step),
    });
    return false;
  }
  const steps = (high - low) / step;
  if (constantNumber(r.low) === null || constantNumber(r.high) === null) return true;
  if (Math.abs(steps - Math.round(steps)) > 1e-9) {
    const last = low + Math.floor(steps) * step;
    report(cx, 'E403', e.step, `the step does not divide the range: its last value is ${last}`, {
      severity: 'warning',
      expected: `a step that leads from ${low} to ${high}`,
      found: String(step),
      hint: `write \`${textOf(cx, e.from)}..${last}\` if that is meant`,
    });
  }
  return true;
}

function testPrior(at: Expr | null, cx: Context, r: SpaceRange, low: number, high: number): boolean {
  const centre = r.prior ? constantNumber(r.prior) : null;
  if (!at || centre === null || (centre >= low && centre <= high)) return true;
  report(cx, 'E406', at, 'the prior is outside its range', {
    expected: `a value from ${low} to ${high}`,
    found: textOf(cx, at),
  });
  return false;
}

const wholeLets = new WeakMap<Entity, boolean>();

function isWholeLet(entity: EntityOf<'let'>): boolean {
  const known = wholeLets.get(entity);
  if (known !== undefined) return known;
  wholeLets.set(entity, true);
  const whole = isWhole(entity.value, entity.scope);
  wholeLets.set(entity, whole);
  return whole;
}

/** Whether a range with this end is whole: no decimal point, exponent or continuous range in it. */
function isWhole(e: Expr, scope: Scope, depth = 0): boolean {
  const of = (x: Expr): boolean => isWhole(x, scope, depth + 1);
  if (depth > 100) return true;
  if (e.kind === 'number') return e.whole && Number.isInteger(e.value);
  if (e.kind === 'unary' || e.kind === 'prior') return of(e.value);
  if (e.kind === 'binary') return of(e.left) && of(e.right);
  if (e.kind === 'choice') return e.alternatives.every((a) => of(a.value));
  if (e.kind === 'if') return of(e.then) && of(e.otherwise);
  if (e.kind === 'range') return of(e.from) && of(e.to);
  const entity = e.kind === 'name' ? lookup(scope, e.name) : null;
  return entity?.kind !== 'let' || isWholeLet(entity);
}

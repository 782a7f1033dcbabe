import { describe, fits } from '../ir/arg-type.ts';
import { wordsOf } from '../ir/layer.ts';
import type { ArgDef, ArgType } from '../ir/layer.ts';
import type { ValueExpr } from '../space/expr.ts';
import type { Checker } from './model.ts';
import { domainOf, pointsOf } from './domain.ts';
import type { Datum, DomainEnv } from './domain.ts';
import { didYouMean } from '../base/nearest.ts';

/** Tests an argument over every value that it can take: E204. `some`: as for `testValue`. */
export function testArgument(
  checker: Checker,
  callee: string,
  def: ArgDef,
  value: ValueExpr,
  env: DomainEnv,
  some = false,
): void {
  testValue(checker, `the argument \`${def.name}\` of \`${callee}\``, def.type, value, env, some);
}

/** Tests a value of which `what` is the subject in messages. `some`: of what is computed it is enough that some fits; counting says which members do not. */
export function testValue(
  checker: Checker,
  what: string,
  type: ArgType,
  value: ValueExpr,
  env: DomainEnv,
  some = false,
): void {
  const domain = domainOf(value, env);
  const wrong = (at: ValueExpr, found: string): void => {
    checker.report('E204', at.span.source, at.span, `${what} cannot be ${found}`, {
      expected: describe(type),
      found,
      hint: found.includes(' where ')
        ? 'leave out what leads there, or test for it by `if`'
        : didYouMean(found, wordsOf(type)),
    });
  };
  if (domain.kind === 'any') return;
  if (domain.kind === 'values') {
    const bad = domain.values.filter((v) => !fits(type, v));
    if (bad.length === 0) return;
    const stands = find(value, bad[0]!);
    if (stands) wrong(stands, show(bad[0]!));
    else if (!some || bad.length === domain.values.length) wrong(value, badPoints(type, value, env) || show(bad[0]!));
    return;
  }
  const { low, high } = domain;
  if (type.kind === 'real') {
    const outside = domain.exact ? [low, high].filter((v) => !fits(type, v)) : fitsSome(type, low, high) ? [] : [low];
    if (outside.length > 0) wrong(value, `${low}..${high}`);
  } else if (type.kind !== 'whole' && type.kind !== 'wholes') {
    wrong(value, `${low}..${high}`);
  } else if (domain.exact && domain.whole) {
    const bad = [low, high].find((v) => !fits(type, v));
    if (bad !== undefined) wrong(value, String(bad));
  } else if (domain.exact) {
    wrong(value, `anything from ${low} to ${high}`);
  } else if (high < type.min) wrong(value, `${low}..${high}`);
}

const MAX_SHOWN = 3;

/** What does not fit of a computed value, with the values of names that lead there. */
function badPoints(type: ArgType, value: ValueExpr, env: DomainEnv): string {
  const found: string[] = [];
  for (const { point, domain } of pointsOf(value, env)) {
    const bad = domain.kind === 'values' ? domain.values.find((v) => !fits(type, v)) : undefined;
    if (bad === undefined) continue;
    const where = point.map(([b, v]) => `${b.name} = ${show(v)}`).join(' and ');
    found.push(`${show(bad)}${where === '' ? '' : ` where ${where}`}`);
  }
  const shown = found.slice(0, MAX_SHOWN).join(', ');
  return found.length > MAX_SHOWN ? `${shown}, …` : shown;
}

const fitsSome = (type: Extract<ArgType, { kind: 'real' }>, low: number, high: number): boolean =>
  high >= type.min && low <= type.max;

export const show = (v: Datum): string =>
  Array.isArray(v) ? `[${v.map(show).join(', ')}]` : typeof v === 'string' ? `"${v}"` : String(v);

/** The part of an expression that is this value, where one stands there as it is. */
function find(e: ValueExpr, v: Datum): ValueExpr | null {
  if (e.kind === 'const') return e.value === v ? e : null;
  if (e.kind === 'unary') return e.operand.kind === 'const' && v === -Number(e.operand.value) ? e : null;
  const parts = e.kind === 'choice' ? e.alternatives.map((a) => a.expr) : e.kind === 'if' ? [e.then, e.else] : [];
  for (const part of parts) {
    const found = find(part, v);
    if (found) return found;
  }
  return null;
}

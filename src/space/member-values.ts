import { choiceOptions, isInterval, rangeDomain } from './decisions.ts';
import type { Interval, Option } from './decisions.ts';
import { weightOf } from './given.ts';
import type { AnyExpr } from './references.ts';
import type { Binding, Site, ValueExpr } from './expr.ts';
import { applyBinary, applyUnary, numberOf, sameDatum, truthOf } from './values.ts';
import type { Datum } from './values.ts';

/** How one member decides. `S`: scopes, each an evaluation of the names in it. */
export interface Deciding<S> {
  /** Position among the options. */
  choose(site: Site, options: readonly Option[], scope: S): number;
  draw(site: Site, interval: Interval, scope: S): number;
  read(binding: Extract<ValueExpr, { kind: 'ref' }>['binding'], scope: S): Datum;
  open(scope: S, bindings: readonly Binding[], texts: readonly AnyExpr[]): S;
}

/** A value in one member. Throws Unfit. */
export function memberValue<S>(by: Deciding<S>, e: ValueExpr, scope: S): Datum {
  const value = (x: ValueExpr): Datum => memberValue(by, x, scope);
  switch (e.kind) {
    case 'const':
      return e.value;
    case 'choice':
      return value(e.alternatives[by.choose(e.site, choiceOptions(e.alternatives), scope)]!.expr);
    case 'range': {
      const optional = (x: ValueExpr | null): number | null => x && numberOf(value(x));
      const ends = {
        low: optional(e.low)!,
        high: optional(e.high)!,
        step: optional(e.step),
        centre: optional(e.prior),
      };
      const domain = rangeDomain(e, ends);
      if (isInterval(domain)) return by.draw(e.site, domain, scope);
      return domain[by.choose(e.site, domain, scope)]!.value;
    }
    case 'unary':
      return applyUnary(e.op, value(e.operand));
    case 'binary':
      return binary(e, value);
    case 'if':
      return value(truthOf(value(e.test)) ? e.then : e.else);
    case 'list':
      return e.items.map(value);
    case 'ref':
      return by.read(e.binding, scope);
    case 'weight':
      return weightOf(e, [...e.args.map((a) => a.value), ...e.parts].map(value));
    case 'let':
      return memberValue(by, e.body, by.open(scope, e.bindings, [e.body]));
  }
}

// To the right of `in` a choice or a range is a set: nothing is decided.
function binary(e: Extract<ValueExpr, { kind: 'binary' }>, value: (e: ValueExpr) => Datum): Datum {
  const left = value(e.left);
  const { op, right } = e;
  if (op === 'and' && !truthOf(left)) return false;
  if (op === 'or' && truthOf(left)) return true;
  if (op === 'in' && right.kind === 'range') {
    const v = numberOf(left);
    const [low, high] = [numberOf(value(right.low)), numberOf(value(right.high))];
    return v >= low && v <= high && (!right.whole || Number.isInteger(v));
  }
  if (op === 'in' && right.kind === 'choice')
    return right.alternatives.map((a) => value(a.expr)).some((v) => sameDatum(left, v));
  return applyBinary(op, left, value(right));
}

import { Unfit } from '../base/unfit.ts';
import type { MadeBy, WeightDef } from '../ir/weight.ts';
import type { Args } from '../ir/layer.ts';
import type { BinaryOp, Scalar } from './expr.ts';

/** What a value expression is once decided. */
export type Datum = Scalar | readonly Datum[] | MadeBy;

export const isMade = (v: Datum | null | undefined): v is MadeBy => typeof v === 'object' && v !== null && 'kind' in v;

export function madeOf(v: Datum): MadeBy {
  if (isMade(v)) return v;
  throw new Unfit('a weight is needed', 'a weight such as `kron(4)`', showDatum(v));
}

/** A value in words. */
export const showDatum = (v: Datum): string =>
  isMade(v) ? v.text : typeof v === 'object' ? v.map(showDatum).join() : String(v);

/** A weight expression with decided arguments. */
export function makeWeight(def: WeightDef, args: Args, parts: readonly MadeBy[]): MadeBy {
  const given = def.args.flatMap((a) => (args[a.name] == null ? [] : [`${a.name}: ${JSON.stringify(args[a.name])}`]));
  const plain = `${def.name}${def.key ? `[${def.key}]` : ''}(${given.join(', ')})`;
  const text = parts.length > 0 ? parts.map((p) => p.text).join(' + ') : plain;
  return { kind: 'made', def, args, parts, text };
}

export function numberOf(v: Datum): number {
  if (typeof v === 'number') return v;
  throw new Unfit('a number is needed', 'a number', showDatum(v));
}

export function truthOf(v: Datum): boolean {
  if (typeof v === 'boolean') return v;
  throw new Unfit('a truth is needed', 'true or false', showDatum(v));
}

export function sameDatum(a: Datum, b: Datum): boolean {
  if (a === b) return true;
  if (isMade(a) || isMade(b)) return isMade(a) && isMade(b) && a.text === b.text;
  return typeof a === 'object' && typeof b === 'object' && JSON.stringify(a) === JSON.stringify(b);
}

// There is one zero. A quotient by 0 is a number, too: no argument may have it.
const plain = (n: number): number => (n === 0 ? 0 : n);

export function applyUnary(op: '-' | 'not', v: Datum): Datum {
  return op === '-' ? plain(-numberOf(v)) : !truthOf(v);
}

/** `and`, `or` and `in` over a set are for the caller: they do not evaluate all of their operands. */
export function applyBinary(op: BinaryOp, a: Datum, b: Datum): Datum {
  switch (op) {
    case '+':
      return plain(numberOf(a) + numberOf(b));
    case '-':
      return plain(numberOf(a) - numberOf(b));
    case '*':
      return plain(numberOf(a) * numberOf(b));
    case '/':
      return plain(numberOf(a) / numberOf(b));
    case '%':
      return plain(numberOf(a) % numberOf(b));
    case '^':
      return plain(numberOf(a) ** numberOf(b));
    case '==':
      return sameDatum(a, b);
    case '!=':
      return !sameDatum(a, b);
    case '<':
      return numberOf(a) < numberOf(b);
    case '<=':
      return numberOf(a) <= numberOf(b);
    case '>':
      return numberOf(a) > numberOf(b);
    case '>=':
      return numberOf(a) >= numberOf(b);
    case 'and':
      return truthOf(a) && truthOf(b);
    case 'or':
      return truthOf(a) || truthOf(b);
    case 'in':
      return Array.isArray(b) ? b.some((x) => sameDatum(a, x as Datum)) : sameDatum(a, b);
  }
}

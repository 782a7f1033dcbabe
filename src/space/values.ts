import { Unfit } from '../base/unfit.ts';
import type { BinaryOp, Scalar } from './space.ts';

/** What a value expression is once decided. */
export type Datum = Scalar | readonly Datum[];

export function numberOf(v: Datum): number {
  if (typeof v === 'number') return v;
  throw new Unfit('a number is needed', 'a number', String(v));
}

export function truthOf(v: Datum): boolean {
  if (typeof v === 'boolean') return v;
  throw new Unfit('a truth is needed', 'true or false', String(v));
}

export const sameDatum = (a: Datum, b: Datum): boolean =>
  a === b || (typeof a === 'object' && typeof b === 'object' && JSON.stringify(a) === JSON.stringify(b));

function finite(n: number): number {
  if (Number.isFinite(n)) return n === 0 ? 0 : n;
  throw new Unfit('the value is not a finite number', 'a finite number', String(n));
}

export function applyUnary(op: '-' | 'not', v: Datum): Datum {
  return op === '-' ? finite(-numberOf(v)) : !truthOf(v);
}

/** `and`, `or` and `in` over a set are for the caller: they do not evaluate all of their operands. */
export function applyBinary(op: BinaryOp, a: Datum, b: Datum): Datum {
  switch (op) {
    case '+':
      return finite(numberOf(a) + numberOf(b));
    case '-':
      return finite(numberOf(a) - numberOf(b));
    case '*':
      return finite(numberOf(a) * numberOf(b));
    case '/':
      return finite(numberOf(a) / numberOf(b));
    case '%':
      return finite(numberOf(a) % numberOf(b));
    case '^':
      return finite(numberOf(a) ** numberOf(b));
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

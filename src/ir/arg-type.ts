import { oneOf } from '../base/nearest.ts';
import type { ArgType } from './layer.ts';

/** A decided value, before it is known to fit its argument. */
export type AnyValue = number | string | boolean | readonly AnyValue[];

/** Whether an argument of this type may have the value. */
export function fits(type: ArgType, v: AnyValue): boolean {
  switch (type.kind) {
    case 'whole':
      return isWhole(v) && v >= type.min && v <= (type.max ?? Infinity);
    case 'real':
      if (typeof v === 'string') return type.names?.includes(v) ?? false;
      return typeof v === 'number' && aboveMin(type, v) && (type.openMax ? v < type.max : v <= type.max);
    case 'truth':
      return typeof v === 'boolean';
    case 'name':
      return typeof v === 'string' && (type.oneOf.length === 0 || type.oneOf.includes(v));
    case 'wholes':
      if (typeof v === 'string') return type.names?.includes(v) ?? false;
      return Array.isArray(v)
        ? v.length > 0 && v.every((x: AnyValue) => isWhole(x) && x >= type.min)
        : isWhole(v) && v >= type.min;
    case 'axes':
      return Array.isArray(v) && v.length === 2 && v.every((x: AnyValue) => isWhole(x) && x >= 1) && v[0]! <= v[1]!;
  }
}

const isWhole = (v: AnyValue): v is number => typeof v === 'number' && Number.isSafeInteger(v);
const aboveMin = (type: Extract<ArgType, { kind: 'real' }>, v: number): boolean =>
  type.openMin ? v > type.min : v >= type.min;

/** What an argument may be, in words. */
export function describe(type: ArgType): string {
  switch (type.kind) {
    case 'whole':
      return type.max === undefined
        ? `a whole number from ${type.min}`
        : `a whole number from ${type.min} to ${type.max}`;
    case 'real': {
      const low = type.openMin ? `above ${type.min}` : `from ${type.min}`;
      const numbers = `a number ${low} ${type.openMax ? 'to below' : 'to'} ${type.max}`;
      return type.names ? `${oneOf(type.names)}, or ${numbers}` : numbers;
    }
    case 'truth':
      return 'true or false';
    case 'name':
      return type.oneOf.length === 0 ? 'a text such as "file.csv"' : oneOf(type.oneOf);
    case 'wholes': {
      const numbers = `a whole number from ${type.min}, or a list of them`;
      return type.names ? `${oneOf(type.names)}, ${numbers}` : numbers;
    }
    case 'axes':
      return 'axes such as `1..2`';
  }
}

import { wordsOf } from '../ir/layer.ts';
import type { ArgType } from '../ir/layer.ts';
import type { Wire } from '../space/expr.ts';
import type { MadeBy } from '../ir/weight.ts';
import { isMade, sameDatum } from '../space/values.ts';
import type { Datum } from '../space/values.ts';
import type { Argument, Expr, Name } from '../../grammar/syntax.ts';

/** Builders of syntax without a text, and uses of networks whose numbers are settled in text order. */

const at = { start: 0, end: 0 } as const;

export const name = (text: string): Name => ({ kind: 'name', name: text, ...at });
export const truth = (value: boolean): Expr => ({ kind: 'truth', value, ...at });
export const text = (value: string): Expr => ({ kind: 'text', value, ...at });
export const list = (items: readonly Expr[]): Expr => ({ kind: 'list', items, ...at });
export const argument = (value: Expr, label: string | null = null): Argument =>
  label === null ? { value, ...at } : { name: name(label), value, ...at };
export const call = (callee: string, args: readonly Argument[]): Expr =>
  args.length === 0 ? name(callee) : { kind: 'call', callee: name(callee), args, ...at };
export const repeated = (value: Expr, times: number): Expr => ({
  kind: 'repeat',
  value: grouped(value),
  times: number(times),
  tied: false,
  ...at,
});
export const range = (from: Expr, to: Expr): Expr => ({ kind: 'range', from, to, log: false, pow2: false, ...at });
const each = (value: Expr): Expr => ({ kind: 'each', value: grouped(value), ...at });

/** Digits that read back as the same number. */
export function number(value: number): Expr {
  const literal = (v: number): Expr => ({
    kind: 'number',
    value: v,
    unit: 'none',
    whole: Number.isInteger(v),
    text: digits(v),
    ...at,
  });
  return value < 0 ? { kind: 'unary', operator: '-', value: literal(-value), ...at } : literal(value);
}

const digits = (v: number): string => String(v).replace('e+', 'e');

export function chain(steps: readonly Expr[]): Expr {
  const flat = steps.flatMap((s) => (s.kind === 'chain' ? s.steps : [s]));
  return flat.length === 1 ? flat[0]! : { kind: 'chain', steps: flat, ...at };
}

// What binds looser than a postfix stands in parentheses.
const grouped = (e: Expr): Expr =>
  e.kind === 'chain' || e.kind === 'letin' || e.kind === 'via' ? { ...e, parens: true } : e;

/** A decided value as it is written for an argument of this type. */
export function datum(v: Datum, type: ArgType): Expr {
  if (typeof v === 'number') return number(v);
  if (typeof v === 'boolean') return truth(v);
  if (typeof v === 'string') {
    return wordsOf(type).includes(v) ? name(v) : text(v);
  }
  if (isMade(v)) return weight(v);
  const items = v.map((item) => datum(item, type));
  return type.kind === 'axes' ? range(items[0]!, items[1]!) : list(items);
}

/** A decided weight expression; arguments at their defaults are left out. */
export function weight(made: MadeBy): Expr {
  if (made.parts.length > 0) {
    return made.parts.map(weight).reduce((left, right) => ({ kind: 'binary', operator: '+', left, right, ...at }));
  }
  const { def } = made;
  const args = def.args.flatMap((a): Argument[] => {
    const value = made.args[a.name] ?? null;
    if (value === null || sameDatum(value, a.default ?? null!)) return [];
    const label = a === def.args[0] || a.positional ? null : a.name;
    if (a.spread && typeof value === 'object') return value.map((v) => argument(number(v)));
    return [argument(datum(value, a.type), label)];
  });
  return call(def.name, args);
}

// ---- uses ------------------------------------------------------------------------------------------------------------

export type Piece =
  | { readonly kind: 'id' }
  | UsePiece
  | { readonly kind: 'chain'; readonly items: readonly Piece[] }
  /** `each`: networks for the elements of the list before it, one each. */
  | { readonly kind: 'list'; readonly items: readonly Piece[]; readonly each?: true }
  | { readonly kind: 'tensor'; readonly name: string; readonly wire?: Wire }
  /** `whole`: its own name matters, that of a vector. */
  | {
      readonly kind: 'via';
      readonly body: Piece;
      readonly weight: Expr;
      readonly label: string;
      readonly use: number;
      readonly whole: boolean;
    }
  | { readonly kind: 'letin'; readonly name: string; readonly value: Piece; readonly body: Piece };

/** A use that must get the path `label[use]`; written plainly it would get the label `auto` and the next number of it. */
export interface UsePiece {
  readonly kind: 'use';
  readonly base: Expr;
  /** Tensors given as arguments, before the others. */
  readonly tensors: readonly Piece[];
  readonly auto: string | null;
  readonly label: string;
  readonly use: number;
  /** Nothing depends on its path: no name is needed. */
  readonly silent: boolean;
  readonly form:
    | { readonly kind: 'plain' }
    | { readonly kind: 'repeat' | 'fan'; readonly times: number }
    | { readonly kind: 'each' };
}

/** Numbers given so far in one scope, as the checker gives them. */
export type Counts = Map<string, number>;

export function finalise(p: Piece, counts: Counts): Expr {
  switch (p.kind) {
    case 'id':
      return name('id');
    case 'tensor':
      return name(p.name);
    case 'list':
      return list(p.items.map((item) => finalise(item, counts)));
    case 'chain': {
      const items = p.items.filter((item) => item.kind !== 'id');
      return items.length === 0 ? name('id') : chain(items.map((item) => finalise(item, counts)));
    }
    case 'letin': {
      const value = finalise(p.value, counts);
      return { kind: 'letin', name: name(p.name), value, body: finalise(p.body, counts), ...at };
    }
    case 'via': {
      const value = finalise(p.body, counts);
      const named = labelOf({ auto: 'group', label: p.label, use: p.use, silent: !p.whole }, counts);
      // A vector over one use alone would take that one's name.
      const body = p.whole && value.kind !== 'chain' && value.kind !== 'list' ? chain([value, name('id')]) : value;
      return named({ kind: 'via', value: body, weight: p.weight, ...at });
    }
    case 'use':
      return finaliseUse(p, counts);
  }
}

function finaliseUse(p: UsePiece, counts: Counts): Expr {
  const label = labelOf(p, counts);
  const tensors = p.tensors.map((t) => argument(finalise(t, counts)));
  const base = tensors.length === 0 ? p.base : withTensors(p.base, tensors);
  const used = label(base);
  switch (p.form.kind) {
    case 'plain':
      return used;
    case 'repeat':
      return repeated(used, p.form.times);
    case 'each':
      return each(used);
    case 'fan':
      return call('fan', [argument(used), argument(number(p.form.times))]);
  }
}

function withTensors(base: Expr, tensors: readonly Argument[]): Expr {
  if (base.kind === 'call') return { ...base, args: [...tensors, ...base.args] };
  return { kind: 'call', callee: base, args: tensors, ...at };
}

// Follows `useName` and `named` of the checker.
function labelOf(p: Pick<UsePiece, 'auto' | 'label' | 'use' | 'silent'>, counts: Counts): (base: Expr) => Expr {
  const next = (label: string): number => counts.get(label) ?? 0;
  const take = (label: string, use: number): void => void counts.set(label, Math.max(next(label), use + 1));
  const plain = (base: Expr): Expr => base;
  if (p.silent || (p.auto === p.label && next(p.label) === p.use)) {
    if (p.auto !== null) take(p.auto, next(p.auto));
    return plain;
  }
  const simple = !p.label.includes('[');
  if (simple && next(p.label) === p.use) {
    take(p.label, p.use);
    return (base) => labelledAs(base, p.label, []);
  }
  const [word, ...indices] = p.label.split(/[[\]]+/).filter((part) => part !== '');
  take(p.label, p.use);
  if (!simple) take(word!, Number(indices[0]));
  return (base) => labelledAs(base, word!, [...indices.map(Number), p.use]);
}

function labelledAs(base: Expr, label: string, indices: readonly number[]): Expr {
  const labelled: Expr = { kind: 'labelled', value: grouped(base), label: name(label), ...at };
  return indices.reduce<Expr>((value, i) => ({ kind: 'index', value, items: [number(i)], ...at }), labelled);
}

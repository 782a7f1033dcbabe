import type { Expr } from '../../grammar/syntax.ts';
import type { Arity, Emitted } from './member-scope.ts';
import { finalise } from './pieces.ts';
import type { Piece, UsePiece } from './pieces.ts';
import { printExpression } from './printer.ts';

/** A use without its name. `auto`: the label that it has unless one is given; null for a group in parentheses. */
export interface Made {
  readonly base: Expr;
  /** Tensors given as arguments, before the others. */
  readonly tensors?: readonly Piece[];
  readonly auto: string | null;
  readonly out: Arity;
  readonly silent: boolean;
}

export const isGroup = (e: Expr): boolean => e.kind === 'chain' || e.kind === 'list';

export function isSilent(p: Piece): boolean {
  switch (p.kind) {
    case 'use':
      return p.silent && p.form.kind === 'plain' && p.tensors.every(isSilent);
    case 'chain':
    case 'list':
      return p.items.every(isSilent);
    case 'id':
    case 'tensor':
      return true;
    case 'via':
      return false;
    case 'letin':
      return isSilent(p.value) && isSilent(p.body);
  }
}

// A repeated group gets its label by itself.
export const inForm = (m: Made, label: string): Made =>
  m.auto === null && isGroup(m.base) ? { ...m, auto: label } : m;

export function usePiece(m: Made, label: string, use: number): UsePiece {
  return {
    kind: 'use',
    base: m.base,
    tensors: m.tensors ?? [],
    auto: m.auto,
    label,
    use,
    silent: m.silent,
    form: { kind: 'plain' },
  };
}

export const allEqual = (made: readonly Made[]): boolean => {
  const shown = (m: Made): string => printExpression(finalise({ ...usePiece(m, '', 0), silent: true }, new Map()));
  const first = shown(made[0]!);
  return made.every((m) => m.auto === made[0]!.auto && shown(m) === first);
};

export const together = (items: readonly Emitted[]): Emitted => ({
  piece: { kind: 'list', items: items.map((i) => i.piece) },
  out: items.map((i) => i.out),
});

export const stepsOf = (p: Piece): readonly Piece[] => (p.kind === 'chain' ? p.items : [p]);

export const listPiece = (items: readonly Piece[], each = false): Piece =>
  each ? { kind: 'list', items, each } : { kind: 'list', items };

export const joined = (items: readonly Piece[], networks: readonly Piece[]): readonly Piece[] =>
  items.map((item, i) => ({ kind: 'chain', items: [item, networks[i]!] }));

export const beginsWithEach = (p: Piece): ListPiece | null => {
  const [first] = stepsOf(p);
  return first && isEach(first) ? first : null;
};

export type ListPiece = Extract<Piece, { kind: 'list' }>;
const isEach = (p: Piece): p is ListPiece => p.kind === 'list' && p.each === true;

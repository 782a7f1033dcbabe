import type { Parameter, Statement } from '../../grammar/syntax.ts';
import type { Definitions } from './definitions.ts';
import type { Block } from './block.ts';
import type { Emitted } from './member-scope.ts';
import { finalise, name } from './pieces.ts';
import type { Piece, UsePiece } from './pieces.ts';
import { beginsWithEach, joined, listPiece, stepsOf, usePiece } from './uses.ts';
import type { ListPiece, Made } from './uses.ts';

const none = { start: 0, end: 0 } as const;

interface Spread {
  /** What stands before the list. */
  readonly lead: readonly Piece[];
  readonly items: readonly Piece[];
  /** Networks for the elements of a list that is still to come. */
  readonly each?: true;
}

/** Lists whose elements go different ways: networks are joined to the elements before them, which may need names. */
export class Elements {
  private readonly definitions: Definitions;

  constructor(definitions: Definitions) {
    this.definitions = definitions;
  }

  /** What flows on. Networks that differ from element to element are joined to the elements of the list before them. */
  follow(before: Emitted, next: Emitted, block: Block): Emitted {
    const steps = stepsOf(before.piece);
    const more = stepsOf(next.piece);
    const each = beginsWithEach(next.piece);
    if (!each || steps.length === 0) return { piece: { kind: 'chain', items: [...steps, ...more] }, out: next.out };
    const size = each.items.length;
    const spread = this.spread(steps, size, block);
    const list: Piece[] = spread
      ? [...spread.lead, listPiece(joined(spread.items, each.items), spread.each)]
      : [...steps, this.apart(each, block)];
    return { piece: { kind: 'chain', items: [...list, ...more.slice(1)] }, out: next.out };
  }

  /** A list that the last steps make, element by element. */
  private spread(steps: readonly Piece[], size: number, block: Block): Spread | null {
    const last = steps.at(-1);
    const lead = steps.slice(0, -1);
    if (last?.kind === 'tensor') return this.spreadWire(last, size, block);
    if (last?.kind === 'list') {
      return last.items.length === size ? { lead, items: last.items, ...(last.each ? { each: true } : {}) } : null;
    }
    if (last?.kind !== 'use') return null;
    const copies = Array.from({ length: size }, (_, i): Piece => ({
      ...last,
      label: `${last.label}[${last.use}]`,
      use: i,
      form: { kind: 'plain' },
    }));
    if (last.form.kind === 'fan') return last.form.times === size ? { lead, items: copies } : null;
    if (last.form.kind !== 'each') return null;
    if (lead.length === 0) return { lead, items: copies, each: true };
    const before = this.spread(lead, size, block);
    return before && { ...before, items: joined(before.items, copies) };
  }

  // A wire that is a list: its elements get names.
  private spreadWire(piece: Piece, size: number, from: Block): Spread | null {
    if (piece.kind !== 'tensor' || !piece.wire) return null;
    const { wire } = piece;
    let block: Block | null = from;
    while (block && !block.wires.has(wire)) block = block.outer;
    if (!block) return null;
    let elements = block.elements.get(wire);
    if (!elements) {
      const spread = this.spread(stepsOf(block.wires.get(wire)!), size, block);
      // What stands before the list must not be computed for each element.
      if (!spread || spread.lead.some((p) => p.kind !== 'tensor')) return null;
      const home = block;
      elements = spread.items.map((item) => ({
        name: this.definitions.fresh(home, wire.name),
        piece: { kind: 'chain', items: [...spread.lead, item] },
      }));
      block.elements.set(wire, elements);
    }
    return { lead: [], items: elements.map((e): Piece => ({ kind: 'tensor', name: e.name })) };
  }

  // The list is made where it cannot be taken apart: a cell takes its elements. The one case in which paths are longer than the member's.
  apart(each: ListPiece, block: Block): UsePiece {
    const wanted = this.definitions.fresh(block, 'elements');
    const made = this.overElements(wanted, each, { piece: each, out: 'one' }, block);
    return usePiece(made, made.auto ?? wanted, 0);
  }

  // Different networks for the elements of a list that flows in: a cell with a tensor for each.
  overElements(wanted: string, each: ListPiece, { piece, out }: Emitted, block: Block): Made {
    const tensors = each.items.map((_, i) => `item${i}`);
    const list: Emitted = {
      piece: { kind: 'list', items: tensors.map((t): Piece => ({ kind: 'tensor', name: t })) },
      out,
    };
    const value = finalise(this.follow(list, { piece, out }, block).piece, new Map());
    const params = tensors.map((t): Parameter => ({ name: name(t), ...none }));
    const body: Statement[] = [{ kind: 'return', value, ...none }];
    const label = this.definitions.enter(block, wanted, (as) => ({
      kind: 'cell',
      name: name(as),
      params,
      body,
      ...none,
    }));
    return { base: name(label), auto: label, out, silent: false };
  }
}

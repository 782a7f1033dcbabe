import type { Statement } from '../../grammar/syntax.ts';
import type { Bound } from '../space/references.ts';
import type { Wire } from '../space/expr.ts';
import { finalise, name } from './pieces.ts';
import type { Counts, Piece } from './pieces.ts';

const none = { start: 0, end: 0 } as const;

/** The statements of a space or cell that is being printed. */
export interface Block {
  readonly outer: Block | null;
  readonly definitions: Statement[];
  /** Printed definition without its name -> its name. */
  readonly known: Map<string, string>;
  /** Names of definitions here, and in blocks within this one that are done. */
  readonly names: Set<string>;
  readonly below: Set<string>;
  readonly wires: Map<Wire, Piece>;
  /** Wires of lists whose elements have names of their own. */
  readonly elements: Map<Wire, readonly { readonly name: string; readonly piece: Piece }[]>;
  /** Every place that read a wire so far. */
  readonly reads: { readonly binding: Bound; readonly start: number }[];
}

export const newBlock = (outer: Block | null): Block => ({
  outer,
  definitions: [],
  known: new Map(),
  names: new Set(),
  below: new Set(),
  wires: new Map(),
  elements: new Map(),
  reads: [],
});

/** A statement to be written when its turn comes in the text. */
export interface Line {
  readonly start: number;
  readonly write: (counts: Counts) => Statement;
}

/** The wires of a block as statements. */
export function wireLines(block: Block): Line[] {
  return [...block.wires].flatMap(([wire, piece]) => {
    const line = (label: string, value: Piece): Line => ({
      start: wire.span.start,
      write: (counts) => ({ kind: 'wire', name: name(label), value: finalise(value, counts), ...none }),
    });
    const elements = block.elements.get(wire);
    if (!elements) return [line(wire.name, piece)];
    const whole: Piece = { kind: 'list', items: elements.map((e) => ({ kind: 'tensor', name: e.name })) };
    return [...elements.map((e) => line(e.name, e.piece)), line(wire.name, whole)];
  });
}

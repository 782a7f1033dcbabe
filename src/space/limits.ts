import type { Span } from '../base/span.ts';

/** An analysis went past its stated budget, or decisions are too entangled for tables: what follows is an estimate. */
export class Beyond extends Error {
  override readonly name = 'Beyond';
  /** What is too large for any member to be followed; null: tables do not suffice, but members can be made. */
  readonly span: Span | null;

  constructor(message: string, span: Span | null = null) {
    super(message);
    this.span = span;
  }
}

/** There are more members than are counted: numbers of more than `BUDGET.bits` bits. `sure`: they all fit. */
export class TooMany extends Beyond {
  readonly sure: boolean;

  constructor(sure: boolean) {
    super(`more than 2^${BUDGET.bits} members`);
    this.sure = sure;
  }
}

/** Budgets count steps of the tables, never time, so that an answer does not depend on the machine. */
export const BUDGET = {
  /** Products of two table entries in one compilation that keeps its circuit, and where every rank is asked for. */
  products: 80_000,
  fullProducts: 400_000,
  /** Products of a compilation whose circuit searches restrict again and again. */
  lightProducts: 15_000,
  /** Products of a compilation that only counts. */
  countProducts: 200_000,
  /** Products of compilations for draws that are refused by exact costs. */
  drawnProducts: 400_000,
  /** Bits of the number of members. */
  bits: 4096,
  /** Layers applied by all walks of one estimate, and by one of them. */
  walked: 100_000,
  walk: 5000,
  /** Alternatives of one decision that are written out. */
  alternatives: 100_000,
  /** Copies of one repetition. */
  copies: 20_000,
  /** Wires of one scope. */
  wires: 2000,
  /** Layers applied in one member. */
  layers: 100_000,
  /** Calls within calls. */
  depth: 260,
} as const;

/** An analysis went past its stated budget, or decisions are too entangled for tables: what follows is an estimate. */
export class Beyond extends Error {
  override readonly name = 'Beyond';
}

/** Budgets count steps of the tables, never time, so that an answer does not depend on the machine. */
export const BUDGET = {
  /** Products of two table entries in one compilation that keeps its circuit; where every rank is asked for, or only counts. */
  products: 400_000,
  fullProducts: 2_000_000,
  /** Products of a compilation whose circuit searches restrict again and again. */
  lightProducts: 15_000,
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

import type { Scalar } from './expr.ts';

/** One finished point: stored path -> value. Numbers, text of alternatives, orders and picks as lists of positions. */
export type Decided = Scalar | readonly number[];
export type Assignment = Readonly<Record<string, Decided>>;

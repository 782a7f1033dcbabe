import type { Unfit } from '../base/unfit.ts';
import type { Cost } from './costs.ts';
import type { Forces } from './force.ts';
import type { LayerCost } from './layer-cost.ts';
import type { NamedNet } from './naming.ts';
import type { Reads } from './reads.ts';
import type { AnyExpr } from './references.ts';
import type { Env } from './scope.ts';
import type { NetExpr, TensorExpr, ValueExpr } from './expr.ts';
import type { Entry, Place, Table, Tables } from './table.ts';
import type { Data, Flows, Wide } from './types.ts';

/** Where an expression is evaluated, and what is assumed already. */
export interface Context extends Place {
  readonly env: Env;
  readonly known: Reads;
}

/** What a network that is decided once makes of one input. */
export interface Outcome {
  readonly flow: number;
  readonly cost: Cost;
}

/** Values of one expression, as one entry for all of them. */
export interface WideValue {
  readonly wide: Wide;
  readonly entry: Entry;
}

/** Why members of a space do not exist, for analyses. */
export interface Cause {
  readonly expr: AnyExpr;
  readonly unfit: Unfit;
}

/**
 * The meaning of expressions as tables of outcomes. Evaluation is a relation: it has no state, and guesses what it reads of things that are decided once;
 * at the end of their scope each guess is joined with the ways to decide it that way (variable elimination).
 */
export interface Evaluator {
  readonly tables: Tables;
  readonly flows: Flows;
  readonly data: Data;
  readonly forces: Forces;
  readonly tracksDepth: boolean;
  /** Whether values of a `let` may be read together. */
  readonly joinsLets: boolean;
  /** Evaluates alike, and keeps decisions even where this one only counts. */
  readonly deciding: Evaluator;
  value(e: ValueExpr, ctx: Context): Table;
  /** The values of an argument together or in pieces, where nothing tells them apart; else null. */
  wide(e: ValueExpr, ctx: Context): readonly WideValue[] | null;
  /** Throws ToldApart: values of these slots that were read together must be told apart. */
  tellApart(slots: Iterable<number>): never;
  tensor(e: TensorExpr, ctx: Context): Table;
  /** A network applied to an input for each lane; `bare` leaves out the use's own segment of the path. */
  net(e: NetExpr, inputs: readonly number[], ctx: Context): Table;
  bare(e: NamedNet, inputs: readonly number[], ctx: Context): Table;
  layerCostOf(cost: LayerCost): Cost;
  /** The cost of layers of which one vector of this size makes what they took. */
  vectorCostOf(cost: Cost, size: number): Cost;
  outcome(flow: number, cost: Cost): number;
  outcomeOf(id: number): Outcome;
  /** For analyses: the flow that stands for what does not fit; null where such members are dropped. */
  broken(expr: AnyExpr, unfit: Unfit): number | null;
}

export const withKnown = (ev: Evaluator, ctx: Context, reads: Reads): Context => {
  const known = ev.tables.reads.merge(ctx.known, reads);
  if (!known) throw new Error('bug: what was read contradicts what was known');
  return known === ctx.known ? ctx : { ...ctx, known };
};

/** Values do not depend on lanes. */
export const valueContext = (ctx: Context): Context => (ctx.lanes === 0 ? ctx : { ...ctx, mode: 'plain', lanes: 0 });

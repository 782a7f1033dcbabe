import { Unfit } from '../base/unfit.ts';
import type { MadeBy } from '../ir/weight.ts';
import { settled } from './apply-layer.ts';
import type { Cost } from './costs.ts';
import type { Context, Evaluator } from './evaluator.ts';
import type { AnyExpr } from './references.ts';
import { addCosts, tableMaker } from './table.ts';
import type { Entry, Table } from './table.ts';

/** What `body` makes of inputs where weights are made so. The tensors carry it: what comes out is under the way around again. */
export function underVia(
  ev: Evaluator,
  expr: AnyExpr,
  made: MadeBy,
  inputs: readonly number[],
  ctx: Context,
  body: (inputs: readonly number[], ctx: Context) => Table,
): Table {
  const outer = inputs.map((flow) => ev.flows.viaOf(flow));
  const inner = inputs.map((flow, lane) => ev.flows.under(flow, ev.forces.inside(outer[lane]!, made)));
  const back = (flow: number, lane: number): number => ev.flows.under(flow, outer[lane]!);
  if (!made.def.whole) return body(inner, ctx).map((entry) => ({ ...entry, out: entry.out.map(back) }));
  // Not plain, so that what each lane takes is known exactly.
  const maker = tableMaker(ev.tables);
  for (const entry of body(inner, { ...ctx, mode: ctx.mode === 'lanes' ? 'lanes' : 'shared' })) {
    const whole = asOneVector(ev, expr, made, entry, back, ctx);
    if (whole) maker.add(whole);
  }
  return maker.done();
}

function asOneVector(
  ev: Evaluator,
  expr: AnyExpr,
  made: MadeBy,
  entry: Entry,
  back: (flow: number, lane: number) => number,
  ctx: Context,
): Entry | null {
  const flows = entry.out.map(back);
  const lanes = flows.map((flow, i) => ({ flow, cost: ev.vectorCostOf(entry.uses[i]!, sizeOf(made)) }));
  const broken = tooLong(ev, expr, made, entry.uses, flows);
  if (broken === null) return null;
  const paid = settled(ev, broken === undefined ? lanes : lanes.map((l) => ({ ...l, flow: broken })), ctx);
  // What of the weights inside is no part of the vector has been paid.
  return (
    paid && {
      ...paid,
      reads: entry.reads,
      cost: addCosts(entry.cost, paid.cost),
      node: ev.tables.nodes.and(entry.node, paid.node),
    }
  );
}

const sizeOf = (made: MadeBy): number => made.def.whole!.size(made.args);

// Undefined where the vector is not longer than what it makes; else the flow of what does not fit, null where such members are dropped.
function tooLong(
  ev: Evaluator,
  expr: AnyExpr,
  made: MadeBy,
  uses: readonly Cost[],
  flows: readonly number[],
): number | null | undefined {
  if (flows.some((flow) => ev.flows.brokenIn(flow) !== null)) return undefined;
  const short = uses.map((use) => ev.tables.costs.takenIn(use)).find((taken) => taken < sizeOf(made));
  return short === undefined ? undefined : ev.broken(expr, tooLongFor(made, short));
}

export const tooLongFor = (made: MadeBy, total: number): Unfit =>
  new Unfit(`d of ${made.def.name} is above the number of parameters`, `at most ${total}`, String(sizeOf(made)));

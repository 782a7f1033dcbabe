import { Beyond } from './limits.ts';
import { withKnown } from './evaluator.ts';
import type { Context, Evaluator, Outcome } from './evaluator.ts';
import type { Cost } from './costs.ts';
import { settled } from './apply-layer.ts';
import { withValues } from './evaluate-value.ts';
import { named, useSegment } from './naming.ts';
import type { Lanes, WaySet } from './reads.ts';
import { readsByWays, waysOn } from './ways.ts';
import { infoOf, unowned } from './scope.ts';
import type { Env, Slot } from './scope.ts';
import type { NetExpr, RepeatExpr } from './expr.ts';
import { addCosts, byReads, indexed, keyOf, placed, product, tableMaker, unitEntry } from './table.ts';
import type { Entry, Table } from './table.ts';
import { Unfit } from '../base/unfit.ts';
import { BUDGET } from './limits.ts';
import { showDatum } from './values.ts';
import type { Datum } from './values.ts';

const MAX_LANES = 64;
const MOST_WAYS = 4096;

type NetSlot = Extract<Slot, { what: 'net' | 'shared' }>;

/**
 * A use of a network that is decided once: guesses what it makes of the input of each lane, consistently with what is known of it.
 */
export function readOnce(ev: Evaluator, slot: NetSlot, inputs: readonly number[], ctx: Context): Table {
  const shifts = inputs.map((input) => shiftOf(ev, input, slot.expr, slot.env));
  const first = ev.flows.raise(inputs[0]!, -shifts[0]!);
  return readsByWays(ev, slot, first, ctx)
    ? readWays(ev, slot, inputs, shifts, ctx)
    : readLanes(ev, slot, inputs, shifts, ctx);
}

// Each input narrows the ways that are left.
function readWays(
  ev: Evaluator,
  slot: NetSlot,
  inputs: readonly number[],
  shifts: readonly number[],
  ctx: Context,
): Table {
  const { reads } = ev.tables;
  const known = reads.get(ctx.known, slot.id);
  let rows: { set: WaySet | null; outcomes: Outcome[] }[] = [
    { set: known === undefined ? null : reads.waySetOf(known), outcomes: [] },
  ];
  inputs.forEach((input, lane) => {
    const groups = waysOn(ev, slot, ev.flows.raise(input, -shifts[lane]!), ctx, MOST_WAYS);
    if (!groups) throw new Beyond(`'${slot.name}' has more than ${MOST_WAYS} ways to decide it`);
    rows = rows.flatMap((row) =>
      groups.flatMap(({ outcome, set }) => {
        ev.tables.spend(1);
        const left = row.set ? reads.common(row.set, set) : set;
        if (left.ways.length === 0) return [];
        const raised = { flow: ev.flows.raise(outcome.flow, shifts[lane]!), cost: outcome.cost };
        return [{ set: left, outcomes: [...row.outcomes, raised] }];
      }),
    );
  });
  const made = tableMaker(ev.tables);
  for (const row of rows) {
    const entry = settled(ev, paidBy(ev, slot, row.outcomes), ctx);
    if (entry) made.add({ ...entry, reads: reads.one(slot.id, row.set!.id) });
  }
  return made.done();
}

function readLanes(
  ev: Evaluator,
  slot: NetSlot,
  inputs: readonly number[],
  shifts: readonly number[],
  ctx: Context,
): Table {
  const { reads } = ev.tables;
  const knownId = reads.get(ctx.known, slot.id);
  let rows: { lanes: Lanes; outcomes: Outcome[] }[] = [
    { lanes: knownId === undefined ? reads.noLanes : reads.lanes(knownId), outcomes: [] },
  ];
  inputs.forEach((input, lane) => {
    const at = ev.flows.raise(input, -shifts[lane]!);
    rows = rows.flatMap((row) => {
      const known = row.lanes.inputs.indexOf(at);
      const ids = known >= 0 ? [row.lanes.outcomes[known]!] : guesses(ev, slot, row.lanes, at, ctx);
      return ids.map((id) => {
        const o = ev.outcomeOf(id);
        return {
          lanes: known >= 0 ? row.lanes : reads.withLane(row.lanes, at, id),
          outcomes: [...row.outcomes, { flow: ev.flows.raise(o.flow, shifts[lane]!), cost: o.cost }],
        };
      });
    });
  });
  const made = tableMaker(ev.tables);
  for (const row of rows) {
    const entry = settled(ev, paidBy(ev, slot, row.outcomes), ctx);
    if (entry) made.add({ ...entry, reads: reads.one(slot.id, row.lanes.id) });
  }
  return made.done();
}

// Depths shift through networks that read no tensor from outside: inputs that differ in nothing else are one lane.
function shiftOf(ev: Evaluator, input: number, expr: NetExpr, env: Env): number {
  if (!ev.tracksDepth || infoOf(expr, env).tensors) return 0;
  const depth = ev.flows.minDepth(input);
  return Number.isFinite(depth) ? depth : 0;
}

// Weights of a shared network are paid where it is defined: a use pays the rest, whatever shares it.
const paidBy = (ev: Evaluator, slot: NetSlot, outcomes: readonly Outcome[]): readonly Outcome[] =>
  slot.what === 'net' ? outcomes : outcomes.map((o) => ({ flow: o.flow, cost: ev.tables.costs.lent(o.cost, slot.id) }));

// Outcomes that some decisions give for one more input, together with what is known for the others.
function guesses(ev: Evaluator, slot: NetSlot, lanes: Lanes, input: number, ctx: Context): readonly number[] {
  const inputs = [...lanes.inputs, input];
  if (inputs.length > MAX_LANES)
    throw new Beyond(`'${slot.name}' is decided once and meets more than ${MAX_LANES} different inputs`);
  const table = ev.net(slot.expr, inputs, {
    ...ctx,
    env: slot.env,
    mode: slot.what === 'shared' ? 'shared' : 'lanes',
    lanes: inputs.length,
  });
  const last = inputs.length - 1;
  const outcome = (e: Entry, i: number): number => ev.outcome(e.out[i]!, e.uses[i]!);
  const prefixes = indexed(table, 'prefix', (e) =>
    e.out
      .slice(0, last)
      .map((_, i) => outcome(e, i))
      .join(),
  );
  const found = new Set((prefixes.get(lanes.outcomes.join()) ?? []).map((e) => outcome(e, last)));
  ev.tables.spend(found.size);
  return [...found];
}

export function copiesOf(times: Datum): number {
  if (typeof times !== 'number' || !Number.isInteger(times) || times < 0) {
    throw new Unfit('a repetition takes a whole number from 0', 'a whole number from 0', showDatum(times));
  }
  if (times > BUDGET.copies)
    throw new Unfit('a repetition has too many copies', `at most ${BUDGET.copies}`, String(times));
  return times;
}

interface Chain {
  readonly flows: readonly number[];
  readonly step: number;
  readonly spent: Entry;
}

/**
 * `A{tied n}`: the body's decisions are made once, each copy has weights of its own. Follows the chain of inputs; whenever a copy meets a new one, the body is
 * evaluated anew over all inputs met so far, under the same decisions.
 */
export function tiedRepeat(ev: Evaluator, e: RepeatExpr, inputs: readonly number[], ctx: Context): Table {
  const base = useSegment(named(e.body).name);
  const made = tableMaker(ev.tables);
  const times = withValues(ev, [e.times], { ...ctx, env: unowned(ctx.env) }, ([n]) => [
    unitEntry(ev.tables, [ev.data.id(copiesOf(n!))], 0),
  ]);
  for (const [reads, group] of byReads(placed(ev.tables, base, times))) {
    const wanted = new Map<number, Entry[]>();
    for (const t of group) {
      const n = ev.data.get(t.out[0]!) as number;
      wanted.set(n, [...(wanted.get(n) ?? []), t]);
    }
    const inner = withKnown(ev, ctx, reads);
    const emit = (n: number, chain: Chain, body: Entry | null): void => {
      for (const t of wanted.get(n) ?? []) {
        const start: Entry = { ...chain.spent, out: chain.flows };
        const lead = product(ev.tables, t, start);
        const whole =
          lead && body
            ? product(
                ev.tables,
                lead,
                { ...body, out: chain.flows, uses: [] },
                ev.tables.nodes.at(`${base}[0]`, body.node),
              )
            : lead;
        if (whole) made.add(whole);
      }
    };
    const zero = unitEntry(ev.tables, inputs, ctx.mode === 'plain' ? 0 : ctx.lanes);
    emit(0, { flows: inputs, step: 0, spent: zero }, null);
    const most = Math.max(...wanted.keys());
    const lower = (flow: number): Lowered => {
      const shift = shiftOf(ev, flow, e.body, ctx.env);
      return { lane: ev.flows.raise(flow, -shift), shift };
    };
    const lanes = [...new Set(inputs.map((flow) => lower(flow).lane))];
    if (most > 0) explore({ ev, e, lower, most, ctx: inner, emit }, { flows: inputs, step: 0, spent: zero }, lanes, []);
  }
  return made.done();
}

interface Lowered {
  readonly lane: number;
  readonly shift: number;
}

interface Search {
  readonly ev: Evaluator;
  readonly e: RepeatExpr;
  readonly lower: (flow: number) => Lowered;
  readonly most: number;
  readonly ctx: Context;
  readonly emit: (n: number, chain: Chain, body: Entry) => void;
}

// `known`: what the first lanes came to under the decisions that are followed here.
function explore(search: Search, chain: Chain, lanes: readonly number[], known: readonly number[]): void {
  const { ev, e, ctx } = search;
  if (lanes.length > MAX_LANES) throw new Beyond(`a tied repetition meets more than ${MAX_LANES} different inputs`);
  const table = ev.bare(named(e.body), lanes, { ...ctx, mode: 'lanes', lanes: lanes.length });
  const groups = new Map<string, Entry[]>();
  for (const entry of table) {
    if (!known.every((o, i) => o === ev.outcome(entry.out[i]!, entry.uses[i]!))) continue;
    const key = keyOf(entry.out, entry.uses);
    groups.set(key, [...(groups.get(key) ?? []), entry]);
  }
  for (const group of groups.values()) {
    const first = group[0]!;
    const outcomes = first.out.map((flow, i) => ({ flow, cost: first.uses[i]! }));
    const end = run(search, chain, lanes, outcomes, (at) => {
      for (const body of group) search.emit(at.step, at, body);
    });
    if (!end) continue;
    const fresh = end.flows.map((f) => search.lower(f).lane).filter((f) => !lanes.includes(f));
    explore(
      search,
      end,
      [...lanes, ...new Set(fresh)],
      outcomes.map((o) => ev.outcome(o.flow, o.cost)),
    );
  }
}

// Follows the chain as far as the lanes go; null where it ended.
function run(
  search: Search,
  from: Chain,
  lanes: readonly number[],
  outcomes: readonly Outcome[],
  reached: (at: Chain) => void,
): Chain | null {
  const { ev, lower, ctx } = search;
  let chain = from;
  while (chain.step < search.most) {
    const at = chain.flows.map(lower);
    if (at.some((x) => !lanes.includes(x.lane))) return chain;
    const copy = settled(
      ev,
      at.map((x) => {
        const o = outcomes[lanes.indexOf(x.lane)]!;
        return { flow: ev.flows.raise(o.flow, x.shift), cost: o.cost };
      }),
      ctx,
    );
    if (!copy) return null;
    ev.tables.spend(1);
    const { spent } = chain;
    chain = {
      flows: copy.out,
      step: chain.step + 1,
      spent: {
        ...copy,
        uses: copy.uses.map((u, i) => ev.tables.costs.add(spent.uses[i]!, u)),
        cost: addCosts(spent.cost, copy.cost),
        node: sumNode(ev, spent, copy),
      },
    };
    reached(chain);
  }
  return null;
}

// Both nodes are costs or the unit: one node says their sum.
function sumNode(ev: Evaluator, a: Entry, b: Entry): Entry['node'] {
  const { nodes, costs } = ev.tables;
  const cost = (n: Entry['node']): Cost => (n.kind === 'cost' ? n.cost : costs.zero);
  return nodes.cost(costs.add(cost(a.node), cost(b.node)));
}

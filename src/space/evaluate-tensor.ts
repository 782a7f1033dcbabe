import { evaluateCall } from './call.ts';
import { choiceOptions, pickOptions, picks, siteSuffix } from './decisions.ts';
import { emptyLists, layer, useLanes } from './evaluate-net.ts';
import { fitting, withValue } from './evaluate-value.ts';
import { withKnown } from './evaluator.ts';
import type { Context, Evaluator } from './evaluator.ts';
import { closeFrame, openFrame, usesBefore } from './frame.ts';
import { BUDGET, Beyond } from './limits.ts';
import { useSegment } from './naming.ts';
import type { LooseExpr, WireExpr } from './references.ts';
import type { Reads } from './reads.ts';
import { looseSlots, lookup } from './scope.ts';
import type { Slot } from './scope.ts';
import type { InputDecl, TensorExpr, TensorParameter, Wire } from './expr.ts';
import { bind, placed, tableMaker, unitEntry } from './table.ts';
import type { Table } from './table.ts';
import { numberOf, truthOf } from './values.ts';

export function evaluateTensor(ev: Evaluator, e: TensorExpr, ctx: Context): Table {
  const { tables } = ev;
  switch (e.kind) {
    case 'wire':
      return wire(ev, e, ctx);
    case 'apply':
      return bind(tables, ev.tensor(e.input, ctx), (entry) =>
        fitting(() => ev.net(e.net, entry.out, withKnown(ev, ctx, entry.reads))),
      );
    case 'list':
      return list(ev, e.items, ctx);
    case 'choice': {
      const made = tableMaker(tables);
      choiceOptions(e.alternatives).forEach((o, i) => {
        const lit = tables.nodes.lit(e.site, siteSuffix(e.site, ctx.env.own), o.value, o.share);
        for (const found of fitting(() => ev.tensor(e.alternatives[i]!.expr, ctx)))
          made.add({ ...found, node: tables.nodes.and(lit, found.node) });
      });
      return made.done();
    }
    case 'pick':
      return pick(ev, e, ctx);
    case 'loose':
      return loose(ev, e, ctx);
    case 'if':
      return withValue(ev, e.test, ctx, (v, after) => ev.tensor(truthOf(v) ? e.then : e.else, after));
    case 'let': {
      const frame = openFrame(ev, ctx, e.bindings, [e.body]);
      return closeFrame(ev, frame, ev.tensor(e.body, { ...ctx, env: frame.env }));
    }
    case 'layerOf': {
      const inputs =
        e.tensors.length === 1 && e.expr.layer.takes !== 'list'
          ? ev.tensor(e.tensors[0]!, ctx)
          : list(ev, e.tensors, ctx);
      const segment = useSegment(e.expr.name);
      return bind(tables, inputs, (entry) =>
        fitting(() => placed(tables, segment, layer(ev, e.expr, entry.out, withKnown(ev, ctx, entry.reads)))),
      );
    }
    case 'callOf':
      return placed(tables, useSegment(e.call.name), evaluateCall(ev, e.call, null, ctx));
  }
}

function list(ev: Evaluator, items: readonly TensorExpr[], ctx: Context): Table {
  let table = emptyLists(ev, ctx, ctx.lanes);
  for (const item of items) {
    table = bind(ev.tables, table, (entry) =>
      fitting(() => ev.tensor(item, withKnown(ev, ctx, entry.reads))).map((found) => ({
        ...found,
        out: found.out.map((flow, lane) => ev.flows.list([...itemsOf(ev, entry.out[lane]!), flow])),
      })),
    );
  }
  return table;
}

function itemsOf(ev: Evaluator, id: number): readonly number[] {
  const flow = ev.flows.get(id);
  return flow.kind === 'list' ? flow.items : [];
}

function pick(ev: Evaluator, e: Extract<TensorExpr, { kind: 'pick' }>, ctx: Context): Table {
  const suffix = siteSuffix(e.site, ctx.env.own);
  return withValue(ev, e.count, ctx, (count, after) => {
    const n = numberOf(count);
    const made = tableMaker(ev.tables);
    const options = pickOptions(e.items.length, n);
    picks(e.items.length, n).forEach((positions, i) => {
      const lit = ev.tables.nodes.lit(e.site, suffix, options[i]!.value, options[i]!.share);
      for (const found of list(
        ev,
        positions.map((p) => e.items[p]!),
        after,
      ))
        made.add({ ...found, node: ev.tables.nodes.and(lit, found.node) });
    });
    return made.done();
  });
}

/** Flows of another part of the member, seen from here. */
function spread(flows: readonly number[], ctx: Context): readonly number[] {
  if (flows.length === ctx.lanes) return flows;
  if (flows.length === 1) return Array.from({ length: ctx.lanes }, () => flows[0]!);
  throw new Beyond('a network that is decided once reads a tensor that differs from use to use');
}

function wire(ev: Evaluator, e: WireExpr, ctx: Context): Table {
  const marks = markUses(ev, e, ctx);
  return readWire(ev, e.binding, ctx).map((found) => ({ ...found, reads: ev.tables.reads.merge(found.reads, marks)! }));
}

// For every `loose` further on in the text that may want this wire: it is used.
function markUses(ev: Evaluator, e: WireExpr, ctx: Context): Reads {
  const { reads } = ev.tables;
  let marks = reads.none;
  for (let env: Context['env'] | null = ctx.env; env; env = env.parent) {
    for (const [expr, slots] of env.looses) {
      const at = usesBefore(e, expr);
      if (at >= 0) marks = reads.merge(marks, reads.one(slots.used[at]!, 1))!;
    }
    if (env.cells.has(e.binding)) break;
  }
  return marks;
}

function readWire(ev: Evaluator, binding: Wire | TensorParameter | InputDecl, ctx: Context): Table {
  const cell = lookup(ctx.env, binding);
  const here = (flow: number, lane: number): number => ev.flows.under(flow, ctx.vias[lane]!);
  const entry = (flows: readonly number[]): ReturnType<typeof unitEntry> =>
    unitEntry(ev.tables, spread(flows, ctx).map(here), useLanes(ctx));
  if (cell.kind === 'tensor') return [entry(cell.flows)];
  if (cell.kind !== 'slot' || cell.what !== 'wire') throw new Error(`bug: '${binding.name}' is not a tensor`);
  const { reads } = ev.tables;
  const read = (id: number): Table[number] => ({ ...entry(itemsOf(ev, id)), reads: reads.one(cell.id, id) });
  const known = reads.get(ctx.known, cell.id);
  if (known !== undefined) return [read(known)];
  return [...outcomesOf(ev, cell, ctx)].map(read);
}

function outcomesOf(ev: Evaluator, slot: Extract<Slot, { what: 'wire' }>, ctx: Context): ReadonlySet<number> {
  const table = ev.tensor(slot.expr, { env: slot.env, known: ctx.known, ...slot.place });
  ev.tables.spend(table.length);
  return new Set(table.map((e) => ev.flows.list(e.out)));
}

// Guesses which wires are loose; the end of the scope tests the guess.
function loose(ev: Evaluator, e: LooseExpr, ctx: Context): Table {
  const { reads } = ev.tables;
  const slots = looseSlots(ctx.env, e);
  const made = tableMaker(ev.tables);
  for (const subset of candidates(e, slots.mentioned)) {
    let table: Table = emptyLists(ev, ctx, ctx.lanes).map((entry) => ({
      ...entry,
      reads: reads.one(slots.guess, ev.data.id(subset)),
    }));
    for (const i of subset) {
      table = bind(ev.tables, table, (entry) =>
        readWire(ev, e.wires[i]!, withKnown(ev, ctx, entry.reads)).map((found) => ({
          ...found,
          out: found.out.map((flow, lane) => ev.flows.list([...itemsOf(ev, entry.out[lane]!), flow])),
        })),
      );
    }
    for (const entry of table) made.add(entry);
  }
  return made.done();
}

// Wires that no earlier text mentions are loose in any case.
function candidates(e: LooseExpr, mentioned: ReadonlySet<number>): readonly (readonly number[])[] {
  const open = e.wires.map((_, i) => i).filter((i) => mentioned.has(i));
  if (open.length > 14) throw new Beyond(`${open.length} wires that may be loose`);
  const out: number[][] = [];
  for (let bits = 0; bits < 2 ** open.length; bits++) {
    const subset = e.wires.map((_, i) => i).filter((i) => !mentioned.has(i) || (bits >> open.indexOf(i)) & 1);
    if (subset.length > 0) out.push(subset);
  }
  if (out.length > BUDGET.alternatives) throw new Beyond('too many wires that may be loose');
  return out;
}

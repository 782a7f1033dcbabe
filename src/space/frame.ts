import { valueContext, withKnown } from './evaluator.ts';
import type { Context, Evaluator } from './evaluator.ts';
import { BUDGET, Beyond } from './limits.ts';
import { dependenciesFirst, textOf } from './references.ts';
import type { AnyExpr, Bound, LooseExpr, WireExpr } from './references.ts';
import { makeEnv } from './scope.ts';
import type { Cell, Env, LooseSlots, Slot } from './scope.ts';
import type { Binding } from './expr.ts';
import { byReads, indexed, product, tableMaker } from './table.ts';
import type { Entry, Table } from './table.ts';
import { waysIn } from './ways.ts';

/** One evaluation of a scope, with what is decided once in it. */
export interface Frame {
  readonly env: Env;
  readonly ctx: Context;
  /** What a slot depends on stands before it. */
  readonly slots: readonly Slot[];
  readonly looses: readonly { readonly expr: LooseExpr; readonly slots: LooseSlots }[];
}

/** Opens a scope: `cells` are its parameters, given by the caller; `texts` are its expressions besides the bindings. */
export function openFrame(
  ev: Evaluator,
  ctx: Context,
  bindings: readonly Binding[],
  texts: readonly AnyExpr[],
  cells: ReadonlyMap<Bound, Cell> = new Map(),
  own: string | null = null,
): Frame {
  const { reads } = ev.tables;
  const text = textOf(bindings, texts);
  const looses = text.looses.map((expr) => ({
    expr,
    slots: {
      guess: reads.newSlot('plain'),
      used: expr.wires.map(() => reads.newSlot('plain')),
      mentioned: new Set(text.reads.map((e) => usesBefore(e, expr))),
    },
  }));
  const env = makeEnv(ctx.env, own, new Map(looses.map((l) => [l.expr, l.slots])));
  const slots: Slot[] = [];
  for (const [name, cell] of cells) {
    env.cells.set(name, cell);
    if (cell.kind === 'slot') slots.push(cell);
  }
  for (const b of dependenciesFirst(bindings)) {
    const slot = slotFor(ev, b, env, ctx);
    env.cells.set(b, slot);
    slots.push(slot);
  }
  const frame = { env, ctx, slots, looses };
  warm(ev, frame);
  return frame;
}

const MANY_WIRES = 25;

// Long chains of wires are evaluated from their beginning: found again, they need no deep stack.
function warm(ev: Evaluator, frame: Frame): void {
  const wires = frame.slots.filter((s) => s.what === 'wire');
  if (wires.length <= MANY_WIRES) return;
  if (wires.length > BUDGET.wires) throw new Beyond(`${wires.length} wires in one scope`);
  for (const s of wires) ev.tensor(s.expr, { env: s.env, known: frame.ctx.known, ...s.place });
}

function slotFor(ev: Evaluator, b: Binding, env: Env, ctx: Context): Slot {
  const { reads } = ev.tables;
  const owned = { kind: 'slot', name: b.name, env: makeEnv(env, b.name), segment: `.${b.name}` } as const;
  switch (b.kind) {
    case 'valueLet':
      return { ...owned, id: reads.newSlot(ev.joinsLets ? 'joined' : 'plain'), what: 'value', expr: b.expr };
    case 'netLet':
      return { ...owned, id: reads.newSlot('plain'), what: 'net', expr: b.expr };
    case 'shared':
      return { ...owned, id: reads.newSlot('plain'), what: 'shared', expr: b.expr };
    case 'wire': {
      const place = { mode: ctx.mode, lanes: ctx.lanes, vias: ctx.vias };
      return { ...owned, place, id: reads.newSlot('plain'), env, segment: '', what: 'wire', expr: b.expr };
    }
  }
}

/** Every place of this scope's text that reads a wire before a `loose` which may want it. */
export function usesBefore(e: WireExpr, expr: LooseExpr): number {
  const at = expr.wires.findIndex((w) => w === e.binding);
  return e.span.start < expr.span.start ? at : -1;
}

/**
 * Closes a scope: joins what was guessed of its slots with the ways to decide them so, dependents first. `keep` stays readable afterwards (for requirements).
 */
export function closeFrame(ev: Evaluator, frame: Frame, table: Table, keep: ReadonlySet<number> = new Set()): Table {
  let out = table;
  for (const slot of [...frame.slots].reverse()) out = eliminate(ev, frame, out, slot, keep.has(slot.id));
  for (const loose of frame.looses) out = settleLoose(ev, out, loose.slots);
  return out;
}

function eliminate(ev: Evaluator, frame: Frame, table: Table, slot: Slot, keep: boolean): Table {
  const { reads, nodes } = ev.tables;
  if (table.every((e) => reads.get(e.reads, slot.id) === undefined)) return table;
  const made = tableMaker(ev.tables);
  const gone = new Set([slot.id]);
  for (const entry of table) {
    const guess = reads.get(entry.reads, slot.id);
    if (guess === undefined) {
      made.add(entry);
      continue;
    }
    const rest = reads.without(entry.reads, gone);
    const base = keep ? entry : { ...entry, reads: rest };
    for (const way of waysToBe(ev, frame, slot, guess, { ...withKnown(ev, frame.ctx, rest), env: slot.env })) {
      const both = product(ev.tables, base, { ...way, out: entry.out }, nodes.at(slot.segment, way.node));
      if (both) made.add({ ...both, uses: both.uses.map((u) => ev.tables.costs.returned(u, slot.id)) });
    }
  }
  return made.done();
}

const outKey = (e: Entry): string => e.out.join();

// The ways to decide a slot so that it is what was guessed. Their `uses` are what the frame's lanes pay at this point.
function waysToBe(ev: Evaluator, frame: Frame, slot: Slot, guess: number, ctx: Context): Table {
  switch (slot.what) {
    case 'value': {
      const ways = indexed(ev.value(slot.expr, valueContext(ctx)), 'out', outKey);
      const values = ev.tables.reads.valuesIn(slot.id, guess);
      if (values.length === 1) return ways.get(String(values[0])) ?? [];
      return together(
        ev,
        values.flatMap((v) => ways.get(String(v)) ?? []),
      );
    }
    case 'wire': {
      const wanted = ev.flows.get(guess);
      if (wanted.kind !== 'list') throw new Error('bug: a wire is guessed by its lanes');
      const table = ev.tensor(slot.expr, { ...ctx, ...slot.place });
      return indexed(table, 'out', outKey).get(wanted.items.join()) ?? [];
    }
    case 'net':
    case 'shared': {
      if (slot.what === 'shared' && frame.ctx.mode === 'lanes') {
        throw new Beyond(`'${slot.name}' is shared within a network that is decided once`);
      }
      if (ev.tables.reads.kindOf(slot.id) === 'ways') return waysIn(ev, ev.tables.reads.waySetOf(guess));
      const lanes = ev.tables.reads.lanes(guess);
      const mode = slot.what === 'shared' ? 'shared' : 'lanes';
      const table = ev.net(slot.expr, lanes.inputs, { ...ctx, mode, lanes: lanes.inputs.length });
      const ways = indexed(table, 'outcomes', (e) => e.out.map((flow, i) => ev.outcome(flow, e.uses[i]!)).join());
      return (ways.get(lanes.outcomes.join()) ?? []).map((e) => ({ ...e, uses: [] }));
    }
  }
}

const ENTRIES_A_STEP = 32;

// Ways that assume the same, as one.
function together(ev: Evaluator, ways: Table): Table {
  ev.tables.spend(Math.ceil(ways.length / ENTRIES_A_STEP));
  return [...byReads(ways).values()].map((same) => ({
    ...same[0]!,
    node: ev.tables.nodes.or(same.map((e) => e.node)),
  }));
}

// A wire is loose where nothing earlier in the text uses it: the guess must say just that.
function settleLoose(ev: Evaluator, table: Table, slots: LooseSlots): Table {
  const { reads } = ev.tables;
  const gone = new Set([slots.guess, ...slots.used]);
  const made = tableMaker(ev.tables);
  for (const entry of table) {
    const guess = reads.get(entry.reads, slots.guess);
    if (guess === undefined || guessHolds(ev, entry, slots, guess))
      made.add({ ...entry, reads: reads.without(entry.reads, gone) });
  }
  return made.done();
}

function guessHolds(ev: Evaluator, entry: Entry, slots: LooseSlots, guess: number): boolean {
  const flow = ev.data.get(guess) as readonly number[];
  return slots.used.every((slot, i) => flow.includes(i) !== (ev.tables.reads.get(entry.reads, slot) !== undefined));
}

import type { Node } from './circuit.ts';
import type { Cost } from './costs.ts';
import type { Context, Evaluator, Outcome } from './evaluator.ts';
import type { Way, WaySet } from './reads.ts';
import { decidedOnce } from './references.ts';
import type { Slot } from './scope.ts';
import { costVector, unitEntry } from './table.ts';
import type { Entry, Table } from './table.ts';

/** Networks with at most so many ways to decide them are read by the ways that are left. */
const FEW = 256;

type NetSlot = Extract<Slot, { what: 'net' | 'shared' }>;

/** One way to decide a circuit: its decisions as text, and as nodes. */
interface Decision {
  readonly texts: readonly string[];
  readonly node: Node;
}

// Null where there are more than `limit`, or the circuit only counts.
function decisionsOf(ev: Evaluator, node: Node, limit: number): readonly Decision[] | null {
  const { nodes } = ev.deciding.tables;
  switch (node.kind) {
    case 'unit':
    case 'cost':
      return [{ texts: [], node: nodes.unit }];
    case 'lit':
      return [{ texts: [`${node.suffix}=${JSON.stringify(node.value)}`], node }];
    case 'open':
      return [{ texts: [node.suffix], node }];
    case 'sum':
      return null;
    case 'at': {
      const inner = decisionsOf(ev, node.item, limit);
      return (
        inner &&
        inner.map((d) => ({ texts: d.texts.map((t) => node.segment + t), node: nodes.at(node.segment, d.node) }))
      );
    }
    case 'or': {
      const out: Decision[] = [];
      for (const item of node.items) {
        const some = decisionsOf(ev, item, limit - out.length);
        if (!some) return null;
        out.push(...some);
      }
      return out.length > limit ? null : out;
    }
    case 'and': {
      const left = decisionsOf(ev, node.left, limit);
      const right = left && decisionsOf(ev, node.right, limit);
      if (!right || left.length * right.length > limit) return null;
      return left.flatMap((a) =>
        right.map((b) => ({ texts: [...a.texts, ...b.texts], node: nodes.and(a.node, b.node) })),
      );
    }
  }
}

/** What is interned of ways: their decisions as nodes, and what weights cost once. */
interface Base {
  readonly node: Node;
  readonly once: Cost;
}
interface Bases {
  readonly ids: Map<string, number>;
  readonly all: Base[];
}
const basesOf = new WeakMap<object, Bases>();

function baseOf(ev: Evaluator, key: string, base: Base): number {
  let bases = basesOf.get(ev.tables.reads);
  if (!bases) basesOf.set(ev.tables.reads, (bases = { ids: new Map(), all: [] }));
  let id = bases.ids.get(key);
  if (id === undefined) {
    bases.ids.set(key, (id = bases.all.length));
    bases.all.push(base);
  }
  return id;
}

/** Ways grouped by what they make of one input; null where there are too many. */
export type Groups = readonly { readonly outcome: Outcome; readonly set: WaySet }[];

const grouped = new WeakMap<Table, Groups | null>();

/** What the ways to decide a network make of one input. */
export function waysOn(ev: Evaluator, slot: NetSlot, input: number, ctx: Context, limit: number): Groups | null {
  const table = ev.deciding.net(slot.expr, [input], { ...ctx, env: slot.env, mode: 'lanes', lanes: 1 });
  let groups = grouped.get(table);
  if (groups === undefined) grouped.set(table, (groups = groupsOf(ev, slot, table, limit)));
  return groups;
}

function groupsOf(ev: Evaluator, slot: NetSlot, table: Table, limit: number): Groups | null {
  const { costs, reads } = ev.tables;
  const byOutcome = new Map<number, Way[]>();
  let left = limit;
  for (const entry of table) {
    const all = decisionsOf(ev, entry.node, left);
    if (!all) return null;
    left -= all.length;
    const cost = entry.uses[0]!;
    const isShared = slot.what === 'shared';
    const once = isShared ? costs.once(cost) : costs.zero;
    const outcome = ev.outcome(entry.out[0]!, isShared ? costs.perUse(cost) : cost);
    const weights = isShared ? `${once.id},${cost.shapes}` : '';
    for (const d of all) {
      const key = `${slot.id}|${weights}|${[...d.texts].sort().join(' ')}`;
      const way = reads.way(baseOf(ev, key, { node: d.node, once }), entry.reads);
      const group = byOutcome.get(outcome);
      if (group) group.push(way);
      else byOutcome.set(outcome, [way]);
    }
  }
  ev.tables.spend(4 * (limit - left));
  return [...byOutcome].map(([id, ways]) => ({ outcome: ev.outcomeOf(id), set: reads.waySet(ways) }));
}

// Seen without the shapes of weights, which may tell very many ways apart.
function hasFew(ev: Evaluator, slot: NetSlot, input: number, ctx: Context): boolean {
  if (slot.what === 'net') return true;
  let left = FEW;
  for (const entry of ev.deciding.net(slot.expr, [input], { ...ctx, env: slot.env, mode: 'shared', lanes: 1 })) {
    left -= decisionsOf(ev, entry.node, left)?.length ?? left + 1;
    if (left < 0) return false;
  }
  return true;
}

/** Settles at the first reading how a slot is read. */
export function readsByWays(ev: Evaluator, slot: NetSlot, input: number, ctx: Context): boolean {
  const { reads } = ev.tables;
  if (reads.kindOf(slot.id) !== 'plain') return reads.kindOf(slot.id) === 'ways';
  const nested = decidedOnce([], [slot.expr]).shared;
  const few = !nested && hasFew(ev, slot, input, ctx) && waysOn(ev, slot, input, ctx, FEW) !== null;
  reads.setKind(slot.id, few ? 'ways' : 'lanes');
  return few;
}

/** The ways of a set, as the end of the slot's scope joins them. */
export function waysIn(ev: Evaluator, set: WaySet): Table {
  const { nodes } = ev.tables;
  const { all } = basesOf.get(ev.tables.reads)!;
  return set.ways.map((way): Entry => {
    const { node, once } = all[way.base]!;
    return {
      ...unitEntry(ev.tables, [], 0),
      reads: way.reads,
      cost: costVector(ev.tables, once),
      node: nodes.and(node, nodes.cost(once)),
    };
  });
}

import { BUDGET, Beyond } from './limits.ts';
import type { Node, NodeMaker } from './circuit.ts';
import type { Cost, Costs } from './costs.ts';
import type { Reads, ReadsTable } from './reads.ts';
import type { Measure } from './space.ts';

/**
 * How evaluation treats tensors. `plain`: one tensor, costs go to the entry. `lanes`: several inputs at once under the same decisions, each application with weights of
 * its own. `shared`: the same, with the same weights: they are paid once and their shapes must agree.
 */
export type Mode = 'plain' | 'lanes' | 'shared';

/** One way for an evaluation to come out, and the decisions that lead there. */
export interface Entry {
  /** A flow for each lane; for values the one value. */
  readonly out: readonly number[];
  /** In lanes: what each lane has cost so far. */
  readonly uses: readonly Cost[];
  readonly reads: Reads;
  /** Of the tracked measures: proven lower bounds, then upper bounds; equal while the tables are exact. */
  readonly cost: readonly number[];
  readonly node: Node;
}
export type Table = readonly Entry[];

/** A measure that requirements name: how far it must be told apart. */
export interface Tracked {
  readonly measure: Exclude<Measure, 'depth'>;
  /** Above it nothing fits. */
  readonly most: number;
  /** Above it all are alike. */
  readonly cap: number;
  /** Width of a bucket; 0: exact. */
  readonly quantum: number;
}

export function measureOf(cost: Cost, measure: Exclude<Measure, 'depth'>): number {
  return measure === 'memory' ? cost.weights + cost.kept : cost[measure];
}

/** What tables are made with; counts its own work. */
export interface Tables {
  readonly nodes: NodeMaker;
  readonly costs: Costs;
  readonly reads: ReadsTable;
  readonly tracked: readonly Tracked[];
  readonly free: readonly number[];
  spend(steps: number): void;
}

export function makeTables(nodes: NodeMaker, costs: Costs, reads: ReadsTable, tracked: readonly Tracked[], budget: number = BUDGET.products): Tables {
  let left = budget;
  return {
    nodes,
    costs,
    reads,
    tracked,
    free: [...tracked, ...tracked].map(() => 0),
    spend: (steps) => {
      left -= steps;
      if (left < 0) throw new Beyond(`more than ${budget} steps`);
    },
  };
}

export function costVector(t: Tables, cost: Cost): readonly number[] {
  if (t.tracked.length === 0) return t.free;
  const values = t.tracked.map((m) => measureOf(cost, m.measure));
  return [...values, ...values];
}

export const addCosts = (a: readonly number[], b: readonly number[]): readonly number[] =>
  a.length === 0 ? a : a.map((v, i) => v + b[i]!);

export const keyOf = (out: readonly number[], uses: readonly Cost[]): string => {
  let key = out.join(',');
  for (const u of uses) key += `;${u.id}`;
  return key;
};

/** Collects entries; those that nothing can tell apart become one. */
export interface TableMaker {
  add(entry: Entry): void;
  done(): Table;
}

export function tableMaker(t: Tables): TableMaker {
  const groups = new Map<string, { entry: Entry; cost: number[]; nodes: Node[] }>();
  const n = t.tracked.length;
  return {
    add: (entry) => {
      t.spend(1);
      let key = `${keyOf(entry.out, entry.uses)}|${entry.reads.id}`;
      let cost = entry.cost;
      for (let i = 0; i < n; i++) {
        const { most, cap, quantum } = t.tracked[i]!;
        if (cost[i]! > most) return;
        if (cost[i]! > cap || cost[n + i]! > cap) {
          cost = cost.map((v, j) => (j % n === i ? Math.min(v, cap) : v));
        }
        key += `,${quantum === 0 ? cost[i]! : Math.floor(cost[i]! / quantum)}`;
      }
      const group = groups.get(key);
      if (!group) groups.set(key, { entry, cost: [...cost], nodes: [entry.node] });
      else {
        group.nodes.push(entry.node);
        for (let i = 0; i < n; i++) {
          group.cost[i] = Math.min(group.cost[i]!, cost[i]!);
          group.cost[n + i] = Math.max(group.cost[n + i]!, cost[n + i]!);
        }
      }
    },
    done: () => [...groups.values()].map((g) => ({ ...g.entry, cost: g.cost, node: t.nodes.or(g.nodes) })),
  };
}

/** Both: `b` comes after `a`, and says what comes out. Null where they assume different things. */
export function product(t: Tables, a: Entry, b: Entry, node: Node = b.node): Entry | null {
  const reads = t.reads.merge(a.reads, b.reads);
  if (!reads) return null;
  return {
    out: b.out,
    uses: a.uses.length === 0 ? b.uses : b.uses.length === 0 ? a.uses : b.uses.map((u, i) => t.costs.add(a.uses[i]!, u)),
    reads,
    cost: addCosts(a.cost, b.cost),
    node: t.nodes.and(a.node, node),
  };
}

/** For every entry what follows it: a non-deterministic sequence. */
export function bind(t: Tables, table: Table, next: (entry: Entry) => Table): Table {
  const made = tableMaker(t);
  for (const a of table) {
    for (const b of next(a)) {
      const both = product(t, a, b);
      if (both) made.add(both);
    }
  }
  return made.done();
}

/** The same table under a segment of the path. */
export function placed(t: Tables, segment: string, table: Table): Table {
  return table.map((e) => ({ ...e, node: t.nodes.at(segment, e.node) }));
}

export function unitEntry(t: Tables, out: readonly number[], lanes: number): Entry {
  const uses = lanes === 0 ? [] : Array.from({ length: lanes }, () => t.costs.zero);
  return { out, uses, reads: t.reads.none, cost: t.free, node: t.nodes.unit };
}

import { Beyond } from './limits.ts';
import type { Node, NodeMaker } from './circuit.ts';
import type { Cost, Costs } from './costs.ts';
import type { Reads, ReadsTable } from './reads.ts';
import type { Measure } from './require-expr.ts';

/**
 * How evaluation treats tensors. `plain`: one tensor, costs go to the entry. `lanes`: several inputs at once under the same decisions, each application with weights of
 * its own. `shared`: the same, with the same weights: they are paid once and their shapes must agree.
 */
export type Mode = 'plain' | 'lanes' | 'shared';

/** How tensors flow somewhere. */
export interface Place {
  readonly mode: Mode;
  /** Tensors that flow side by side: 1 unless a network that is decided once meets several inputs. */
  readonly lanes: number;
  /** How weights are made here, for each lane: the tensors of networks carry it, and those that are read from elsewhere take it. */
  readonly vias: readonly number[];
}

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
  /** Remembers the number of (out, uses); holds only for the lists that it names. */
  head?: Head;
}
export type Table = readonly Entry[];

interface Head {
  readonly id: number;
  readonly out: readonly number[];
  readonly uses: readonly Cost[];
}

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

/** Steps that are left; several compilations may share one. */
export interface Budget {
  left: number;
}

/** What tables are made with; counts its own work. */
export interface Tables {
  readonly nodes: NodeMaker;
  readonly costs: Costs;
  readonly reads: ReadsTable;
  readonly tracked: readonly Tracked[];
  readonly free: readonly number[];
  readonly heads: Map<string | number, Head>;
  /** Which of a table's entries are worth keeping. */
  readonly thin: (table: Table) => Table;
  spend(steps: number): void;
}

export function makeTables(
  nodes: NodeMaker,
  costs: Costs,
  reads: ReadsTable,
  tracked: readonly Tracked[],
  budget: Budget,
  thin: Tables['thin'],
): Tables {
  return {
    nodes,
    costs,
    reads,
    tracked,
    free: [...tracked, ...tracked].map(() => 0),
    heads: new Map(),
    thin,
    spend: (steps) => {
      budget.left -= steps;
      if (budget.left < 0) throw new Beyond('the tables take more steps than their budget');
    },
  };
}

export function costVector(t: Tables, cost: Cost, most: Cost = cost): readonly number[] {
  if (t.tracked.length === 0) return t.free;
  return [...t.tracked.map((m) => measureOf(cost, m.measure)), ...t.tracked.map((m) => measureOf(most, m.measure))];
}

export const addCosts = (a: readonly number[], b: readonly number[]): readonly number[] =>
  a.length === 0 ? a : a.map((v, i) => v + b[i]!);

export const keyOf = (out: readonly number[], uses: readonly Cost[]): string => {
  let key = out.join(',');
  for (const u of uses) key += `;${u.id}`;
  return key;
};

function headOf(t: Tables, entry: Entry): Head {
  const { head, out, uses } = entry;
  // One lane alone, as most are: found by its number.
  if (out.length === 1 && uses.length === 0) return headAt(t, out[0]!, out, uses);
  if (head && head.out === out && head.uses === uses) return head;
  const { id } = headAt(t, keyOf(out, uses), out, uses);
  return (entry.head = { id, out, uses });
}

function headAt(t: Tables, key: string | number, out: Head['out'], uses: Head['uses']): Head {
  let head = t.heads.get(key);
  if (!head) t.heads.set(key, (head = { id: t.heads.size, out, uses }));
  return head;
}

/** Collects entries; those that nothing can tell apart become one. */
export interface TableMaker {
  add(entry: Entry): void;
  /** Adds `b` after `a`, which says what comes out. */
  join(a: Entry, b: Entry): void;
  done(): Table;
}

interface Group {
  readonly head: Head;
  readonly reads: Reads;
  readonly cost: number[];
  readonly nodes: Node[];
}

// A lane costs about so many steps: its costs are interned.
const LANE_STEPS = 4;

export function tableMaker(t: Tables): TableMaker {
  const n = t.tracked.length;
  const groups: Group[] = [];
  // By head and reads; where costs are tracked, then by their buckets.
  const plain = new Map<number | string, Group>();
  const rows = new Map<number, Map<number | string, Group>>();
  const cost: number[] = t.free.slice();

  const bucket = (i: number): number => {
    const { quantum } = t.tracked[i]!;
    return quantum === 0 ? cost[i]! : Math.floor(cost[i]! / quantum);
  };
  // Says whether `cost` may still fit, and makes equal what no requirement tells apart.
  const clip = (): boolean => {
    for (let i = 0; i < n; i++) {
      const { most, cap } = t.tracked[i]!;
      if (cost[i]! > most) return false;
      if (cost[i]! > cap) cost[i] = cap;
      if (cost[n + i]! > cap) cost[n + i] = cap;
    }
    return true;
  };
  const rowOf = (key: number): Map<number | string, Group> => {
    let row = rows.get(key);
    if (!row) rows.set(key, (row = new Map<number | string, Group>()));
    return row;
  };
  const bucketKey = (): number | string => {
    let key: number | string = bucket(0);
    for (let i = 1; i < n; i++) key = `${key},${bucket(i)}`;
    return key;
  };
  const put = (head: Head, reads: Reads, left: Node, right: Node): void => {
    if (!clip()) return;
    const key = head.id * 0x4000000 + reads.id;
    const row: Map<number | string, Group> = n === 0 ? plain : rowOf(key);
    const at = n === 0 ? key : bucketKey();
    const group = row.get(at);
    if (!group) {
      const made: Group = { head, reads, cost: n === 0 ? cost : cost.slice(), nodes: [t.nodes.and(left, right)] };
      row.set(at, made);
      groups.push(made);
      return;
    }
    group.nodes.push(t.nodes.and(left, right));
    for (let i = 0; i < n; i++) {
      if (cost[i]! < group.cost[i]!) group.cost[i] = cost[i]!;
      if (cost[n + i]! > group.cost[n + i]!) group.cost[n + i] = cost[n + i]!;
    }
  };
  return {
    add: (entry) => {
      t.spend(1 + LANE_STEPS * entry.uses.length);
      for (let i = 0; i < 2 * n; i++) cost[i] = entry.cost[i]!;
      put(headOf(t, entry), entry.reads, t.nodes.unit, entry.node);
    },
    join: (a, b) => {
      t.spend(1 + LANE_STEPS * b.uses.length);
      const reads = t.reads.merge(a.reads, b.reads);
      if (!reads) return;
      for (let i = 0; i < 2 * n; i++) cost[i] = a.cost[i]! + b.cost[i]!;
      const head = a.uses.length === 0 ? headOf(t, b) : headOf(t, { ...b, uses: addUses(t, a.uses, b.uses) });
      put(head, reads, a.node, b.node);
    },
    done: () =>
      t.thin(
        groups.map((g) => ({
          out: g.head.out,
          uses: g.head.uses,
          reads: g.reads,
          cost: n === 0 ? t.free : g.cost,
          node: t.nodes.or(g.nodes),
          head: g.head,
        })),
      ),
  };
}

const addUses = (t: Tables, a: readonly Cost[], b: readonly Cost[]): readonly Cost[] =>
  a.length === 0 ? b : b.length === 0 ? a : b.map((u, i) => t.costs.add(a[i]!, u));

/** Both: `b` comes after `a`, and says what comes out. Null where they assume different things. */
export function product(t: Tables, a: Entry, b: Entry, node: Node = b.node): Entry | null {
  const reads = t.reads.merge(a.reads, b.reads);
  if (!reads) return null;
  return {
    out: b.out,
    uses: addUses(t, a.uses, b.uses),
    reads,
    cost: addCosts(a.cost, b.cost),
    node: t.nodes.and(a.node, node),
  };
}

/** For every entry what follows it: a non-deterministic sequence. `next` may look at what came out and what was read, not at costs. */
export function bind(t: Tables, table: Table, next: (entry: Entry) => Table): Table {
  const made = tableMaker(t);
  const found = new Map<number, Table>();
  for (const a of table) {
    const key = headOf(t, a).id * 0x4000000 + a.reads.id;
    let after = found.get(key);
    if (!after) found.set(key, (after = next(a)));
    for (const b of after) made.join(a, b);
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

const indexes = new WeakMap<Table, Map<string, Map<string, Entry[]>>>();

/** The entries of a table by a key; made once for each `what`. */
export function indexed(
  table: Table,
  what: string,
  keyOf: (entry: Entry) => string,
): ReadonlyMap<string, readonly Entry[]> {
  let all = indexes.get(table);
  if (!all) indexes.set(table, (all = new Map<string, Map<string, Entry[]>>()));
  let index = all.get(what);
  if (!index) {
    index = new Map();
    for (const entry of table) {
      const key = keyOf(entry);
      const group = index.get(key);
      if (group) group.push(entry);
      else index.set(key, [entry]);
    }
    all.set(what, index);
  }
  return index;
}

/** The entries of a table by what they assume. */
export function byReads(table: Table): ReadonlyMap<Reads, Table> {
  const groups = new Map<Reads, Entry[]>();
  for (const e of table) {
    const group = groups.get(e.reads);
    if (group) group.push(e);
    else groups.set(e.reads, [e]);
  }
  return groups;
}

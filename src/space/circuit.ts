import { BUDGET, TooMany } from './limits.ts';
import type { Interval } from './decisions.ts';
import type { Decided } from './assignment.ts';
import type { Site } from './expr.ts';
import type { Cost } from './costs.ts';

/**
 * The members of a space as a circuit: an `or` is a disjoint union, an `and` a product of independent parts, an `at` a part of the path. Sub-circuits
 * are shared wherever the same decisions stand under different paths, so a circuit is small where the space is huge; counting, ranks, samples
 * and restrictions are sums and products over it. (Deterministic decomposable negation normal form: Darwiche 2001.)
 */
export type Node =
  | { readonly kind: 'unit'; readonly id: number }
  | {
      readonly kind: 'lit';
      readonly id: number;
      readonly site: Site;
      readonly suffix: string;
      readonly value: Decided;
      readonly share: number;
    }
  /** A continuous decision: one member, whatever its number. */
  | {
      readonly kind: 'open';
      readonly id: number;
      readonly site: Site;
      readonly suffix: string;
      readonly interval: Interval;
    }
  /** `most`: where widths are not told apart, what the widest cost; `cost` is that of the narrowest. */
  | { readonly kind: 'cost'; readonly id: number; readonly cost: Cost; readonly most: Cost }
  | { readonly kind: 'and'; readonly id: number; readonly left: Node; readonly right: Node }
  | { readonly kind: 'or'; readonly id: number; readonly items: readonly Node[] }
  | { readonly kind: 'at'; readonly id: number; readonly segment: string; readonly item: Node }
  /** Only in circuits that are for counting alone. */
  | { readonly kind: 'sum'; readonly id: number; readonly members: number | bigint };

export interface NodeMaker {
  readonly unit: Node;
  lit(site: Site, suffix: string, value: Decided, share: number): Node;
  open(site: Site, suffix: string, interval: Interval): Node;
  cost(cost: Cost, most?: Cost): Node;
  and(left: Node, right: Node): Node;
  or(items: readonly Node[]): Node;
  at(segment: string, item: Node): Node;
}

/** Makes nodes whose ids rise from parts to wholes. */
export function nodeMaker(): NodeMaker {
  let id = 0;
  const unit: Node = { kind: 'unit', id: id++ };
  const costs = new Map<string, Node>();
  const placed = new Map<string, Map<number, Node>>();
  const at = (segment: string, item: Node): Node => {
    if (segment === '' || item.kind === 'unit' || item.kind === 'cost') return item;
    let here = placed.get(segment);
    if (!here) placed.set(segment, (here = new Map<number, Node>()));
    let node = here.get(item.id);
    if (!node) here.set(item.id, (node = { kind: 'at', id: id++, segment, item }));
    return node;
  };
  return {
    unit,
    lit: (site, suffix, value, share) => ({ kind: 'lit', id: id++, site, suffix, value, share }),
    open: (site, suffix, interval) => ({ kind: 'open', id: id++, site, suffix, interval }),
    cost: (cost, most = cost) => {
      if (most.id === 0) return unit;
      const key = `${cost.id},${most.id}`;
      let node = costs.get(key);
      if (!node) costs.set(key, (node = { kind: 'cost', id: id++, cost, most }));
      return node;
    },
    and: (left, right) =>
      left.kind === 'unit' ? right : right.kind === 'unit' ? left : { kind: 'and', id: id++, left, right },
    or: (items) => (items.length === 1 ? items[0]! : { kind: 'or', id: id++, items }),
    at,
  };
}

/** A circuit with what is known of each of its nodes; `root` null: no members. */
export interface Circuit {
  readonly root: Node | null;
  /** Every node that the root reaches, parts before wholes. */
  readonly order: readonly Node[];
  /** By node id: members below it, and the logarithm of their prior mass. */
  readonly counts: readonly bigint[];
  readonly logMasses: Float64Array;
}

export function childrenOf(node: Node): readonly Node[] {
  switch (node.kind) {
    case 'and':
      return [node.left, node.right];
    case 'or':
      return node.items;
    case 'at':
      return [node.item];
    case 'unit':
    case 'lit':
    case 'open':
    case 'cost':
    case 'sum':
      return [];
  }
}

export function reachable(root: Node | null): readonly Node[] {
  if (!root) return [];
  const byId: (Node | undefined)[] = new Array<Node | undefined>(root.id + 1);
  byId[root.id] = root;
  const stack = [root];
  const visit = (child: Node): void => {
    if (byId[child.id]) return;
    byId[child.id] = child;
    stack.push(child);
  };
  for (let node = stack.pop(); node; node = stack.pop()) {
    if (node.kind === 'and') {
      visit(node.left);
      visit(node.right);
    } else if (node.kind === 'or') node.items.forEach(visit);
    else if (node.kind === 'at') visit(node.item);
  }
  return byId.filter((n) => n !== undefined);
}

/** log(sum of exp): masses of large spaces are below the smallest double. */
export function logSum(logs: readonly number[]): number {
  let top = -Infinity;
  for (const l of logs) if (l > top) top = l;
  if (top === -Infinity) return top;
  let sum = 0;
  for (const l of logs) sum += Math.exp(l - top);
  return top + Math.log(sum);
}

const MOST = 1n << BigInt(BUDGET.bits);

const capped = (n: bigint): bigint => {
  if (n > MOST) throw new TooMany(false);
  return n;
};

/** Throws TooMany. */
export function makeCircuit(root: Node | null): Circuit {
  const order = reachable(root);
  const size = root ? root.id + 1 : 0;
  const counts = new Array<bigint>(size);
  const logMasses = new Float64Array(size);
  for (const node of order) {
    counts[node.id] = countOf(node, counts);
    logMasses[node.id] = logMassOf(node, logMasses);
  }
  return { root, order, counts, logMasses };
}

function countOf(node: Node, counts: readonly bigint[]): bigint {
  switch (node.kind) {
    case 'and':
      return capped(counts[node.left.id]! * counts[node.right.id]!);
    case 'or': {
      let sum = 0n;
      for (const item of node.items) sum += counts[item.id]!;
      return capped(sum);
    }
    case 'at':
      return counts[node.item.id]!;
    case 'sum':
      return BigInt(node.members);
    case 'unit':
    case 'lit':
    case 'open':
    case 'cost':
      return 1n;
  }
}

function logMassOf(node: Node, masses: Float64Array): number {
  switch (node.kind) {
    case 'and':
      return masses[node.left.id]! + masses[node.right.id]!;
    case 'or':
      return logSum(node.items.map((item) => masses[item.id]!));
    case 'at':
      return masses[node.item.id]!;
    case 'lit':
      return Math.log(node.share);
    case 'unit':
    case 'open':
    case 'cost':
    case 'sum':
      return 0;
  }
}

// Whole numbers as long as they are exact.
function times(a: number | bigint, b: number | bigint): number | bigint {
  if (typeof a === 'number' && typeof b === 'number' && a * b <= Number.MAX_SAFE_INTEGER) return a * b;
  return capped(BigInt(a) * BigInt(b));
}
function plus(a: number | bigint, b: number | bigint): number | bigint {
  if (typeof a === 'number' && typeof b === 'number' && a + b <= Number.MAX_SAFE_INTEGER) return a + b;
  return capped(BigInt(a) + BigInt(b));
}

/** Makes nodes that only count: for spaces whose circuit would be too large to keep. */
export function countingMaker(): NodeMaker {
  const unit: Node = { kind: 'unit', id: 0 };
  const one: Node = { kind: 'sum', id: 1, members: 1 };
  const membersOf = (n: Node): number | bigint => (n.kind === 'sum' ? n.members : 1);
  const sum = (members: number | bigint): Node => (members === 1 ? one : { kind: 'sum', id: 1, members });
  return {
    unit,
    lit: () => one,
    open: () => one,
    cost: () => unit,
    and: (left, right) =>
      left.kind === 'unit' ? right : right.kind === 'unit' ? left : sum(times(membersOf(left), membersOf(right))),
    or: (items) => {
      if (items.length === 1) return items[0]!;
      let members: number | bigint = 0;
      for (const item of items) members = plus(members, membersOf(item));
      return sum(members);
    },
    at: (_, item) => item,
  };
}

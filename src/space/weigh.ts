import { logSum } from './circuit.ts';
import type { Circuit, Node } from './circuit.ts';
import { fold } from './fold.ts';
import { assigned } from './restriction.ts';
import type { Assignment } from './assignment.ts';

/** Members and prior mass below nodes, given some decisions. */
export interface Weighed {
  readonly count: (node: Node, path: string) => bigint;
  readonly logMass: (node: Node, path: string) => number;
}

interface Weight {
  readonly count: bigint;
  readonly logMass: number;
}

const NOTHING: Weight = { count: 0n, logMass: -Infinity };

/** Parts of the circuit under paths where nothing is given keep the weights that the circuit has. */
export function weighed(circuit: Circuit, root: Node, given: Assignment): Weighed {
  const whole = (node: Node): Weight => ({ count: circuit.counts[node.id]!, logMass: circuit.logMasses[node.id]! });
  if (Object.keys(given).length === 0) return { count: (n) => whole(n).count, logMass: (n) => whole(n).logMass };
  const by = assigned(given);
  const folded = fold<Weight>(root, {
    known: (node, path) => (free(node, path) ? whole(node) : null),
    leaf: (node, path) => {
      if (node.kind !== 'lit' && node.kind !== 'open') return whole(node);
      const test = by.test(path + node.suffix);
      if (!test) return whole(node);
      if (node.kind === 'lit') return test(node.value) ? whole(node) : NOTHING;
      return inside(by.number(path + node.suffix), node.interval) ? whole(node) : NOTHING;
    },
    and: (a, b) =>
      a.count === 0n || b.count === 0n ? NOTHING : { count: a.count * b.count, logMass: a.logMass + b.logMass },
    or: (items) => ({ count: items.reduce((n, i) => n + i.count, 0n), logMass: logSum(items.map((i) => i.logMass)) }),
    at: (item) => item,
  });
  function free(node: Node, path: string): boolean {
    if (node.kind === 'at') return !by.under(path + node.segment);
    if (node.kind === 'lit' || node.kind === 'open') return !by.under(path + node.suffix);
    return !by.under(path);
  }
  // Below a free node nothing was folded: it keeps its weight.
  const at = (node: Node, path: string): Weight => folded(node, path) ?? whole(node);
  return { count: (n, p) => at(n, p).count, logMass: (n, p) => at(n, p).logMass };
}

interface Split {
  readonly count: bigint;
  /** By the value of the decision, where it is made below. */
  readonly by: ReadonlyMap<string, bigint> | null;
}

/** Members that agree with what is given, by the value of one more decision. Values are keyed by their JSON. */
export function countsByValue(
  circuit: Circuit,
  root: Node,
  given: Assignment,
  path: string,
): ReadonlyMap<string, bigint> {
  const by = assigned({ ...given, [path]: '' });
  const at = `.${path}`;
  const folded = fold<Split>(root, {
    known: (node, here) => {
      const below =
        node.kind === 'at'
          ? here + node.segment
          : node.kind === 'lit' || node.kind === 'open'
            ? here + node.suffix
            : here;
      return by.under(below) ? null : { count: circuit.counts[node.id]!, by: null };
    },
    leaf: (node, here) => {
      if (node.kind !== 'lit' && node.kind !== 'open') return { count: circuit.counts[node.id]!, by: null };
      if (here + node.suffix === at) {
        return { count: 1n, by: node.kind === 'lit' ? new Map([[JSON.stringify(node.value), 1n]]) : null };
      }
      const test = by.test(here + node.suffix);
      const fits =
        !test || (node.kind === 'lit' ? test(node.value) : inside(by.number(here + node.suffix), node.interval));
      return { count: fits ? 1n : 0n, by: null };
    },
    and: (a, b) => {
      const count = a.count * b.count;
      if (count === 0n) return { count, by: null };
      if (a.by) return { count, by: scaled(a.by, b.count) };
      return { count, by: b.by && scaled(b.by, a.count) };
    },
    or: (items) => {
      let count = 0n;
      const sums = new Map<string, bigint>();
      for (const item of items) {
        count += item.count;
        if (item.count > 0n) for (const [v, n] of item.by ?? []) sums.set(v, (sums.get(v) ?? 0n) + n);
      }
      return { count, by: sums.size > 0 ? sums : null };
    },
    at: (item) => item,
  });
  return folded(root, '').by ?? new Map<string, bigint>();
}

const scaled = (by: ReadonlyMap<string, bigint>, n: bigint): ReadonlyMap<string, bigint> =>
  n === 1n ? by : new Map([...by].map(([v, m]) => [v, m * n]));

const inside = (v: number | null, interval: { readonly low: number; readonly high: number }): boolean =>
  v !== null && v >= interval.low && v <= interval.high;

import { logSum } from './circuit.ts';
import type { Circuit, Node } from './circuit.ts';
import { fold } from './fold.ts';
import { assigned } from './restriction.ts';
import type { Assignment } from './space.ts';

/** Members and prior mass below nodes, given some decisions. */
export interface Weighed {
  count(node: Node, path: string): bigint;
  logMass(node: Node, path: string): number;
}

interface Weight {
  readonly count: bigint;
  readonly logMass: number;
}

const NOTHING: Weight = { count: 0n, logMass: -Infinity };

/** Parts of the circuit under paths where nothing is given keep the weights that the circuit has. */
export function weighed(circuit: Circuit, root: Node, given: Assignment): Weighed {
  const whole = (node: Node): Weight => ({ count: circuit.counts.get(node.id)!, logMass: circuit.logMasses.get(node.id)! });
  if (Object.keys(given).length === 0) return { count: (n) => whole(n).count, logMass: (n) => whole(n).logMass };
  const by = assigned(given);
  const folded = fold<Weight>(root, {
    known: (node, path) => (free(node, path) ? whole(node) : null),
    leaf: (node, path) => {
      if (node.kind === 'unit' || node.kind === 'cost') return whole(node);
      const test = by.test(path + node.suffix);
      if (!test) return whole(node);
      if (node.kind === 'lit') return test(node.value) ? whole(node) : NOTHING;
      const number = by.number(path + node.suffix);
      return number !== null && number >= node.interval.low && number <= node.interval.high ? whole(node) : NOTHING;
    },
    and: (a, b) => (a.count === 0n || b.count === 0n ? NOTHING : { count: a.count * b.count, logMass: a.logMass + b.logMass }),
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

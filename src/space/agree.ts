import type { Random } from '../base/philox.ts';
import { logSum } from './circuit.ts';
import type { Circuit, Node } from './circuit.ts';
import { drawInterval } from './decisions.ts';
import { descend, fold } from './fold.ts';
import { finishPath } from './naming.ts';
import { assigned } from './restriction.ts';
import type { Assignment, Decided } from './assignment.ts';

/** Agreement with an assignment: how many of its decisions are kept at most, and the prior mass of what keeps so many. */
interface Agreement {
  readonly kept: number;
  readonly logMass: number;
}

const NONE: Agreement = { kept: -Infinity, logMass: -Infinity };

/** What must change at one path: the test that a new value passes, or a new number. */
export interface Change {
  readonly path: string;
  readonly allows: (value: Decided) => boolean;
  readonly number: (low: number, high: number) => number | null;
}

/**
 * The member that keeps the most decisions of an assignment while one of them changes; decisions that come new follow the prior. Null where no member changes so.
 * (A most probable explanation over the circuit.)
 */
export function nearest(circuit: Circuit, old: Assignment, change: Change, random: Random): Assignment | null {
  const { root } = circuit;
  if (!root) return null;
  const by = assigned(old);
  const leaf = (node: Node, path: string): Agreement => {
    const logMass = circuit.logMasses[node.id]!;
    if (node.kind !== 'lit' && node.kind !== 'open') return { kept: 0, logMass };
    const at = path + node.suffix;
    if (finishPath(at) === change.path) {
      const fits =
        node.kind === 'lit' ? change.allows(node.value) : change.number(node.interval.low, node.interval.high) !== null;
      return fits ? { kept: 0, logMass } : NONE;
    }
    const same = node.kind === 'lit' ? by.test(at)?.(node.value) : inside(by.number(at), node.interval);
    return { kept: same ? 1 : 0, logMass };
  };
  const folded = fold<Agreement>(root, {
    known: (node, path) =>
      by.under(node.kind === 'at' ? path + node.segment : path) || node.kind === 'lit' || node.kind === 'open'
        ? null
        : { kept: 0, logMass: circuit.logMasses[node.id]! },
    leaf,
    and: (a, b) => (a === NONE || b === NONE ? NONE : { kept: a.kept + b.kept, logMass: a.logMass + b.logMass }),
    or: (items) => {
      const kept = Math.max(...items.map((i) => i.kept));
      if (kept === -Infinity) return NONE;
      return { kept, logMass: logSum(items.filter((i) => i.kept === kept).map((i) => i.logMass)) };
    },
    at: (item) => item,
  });
  const of = (node: Node, path: string): Agreement =>
    folded(node, path) ?? { kept: 0, logMass: circuit.logMasses[node.id]! };
  if (of(root, '').kept === -Infinity) return null;
  const out: Record<string, Decided> = {};
  descend<null>(root, null, {
    and: () => ({ left: null, right: null }),
    or: (node, path) => ({ item: drawBest(node.items, (n) => of(n, path), random), state: null }),
    leaf: (node, path) => {
      const name = finishPath(path + node.suffix);
      if (node.kind === 'lit') out[name] = node.value;
      else if (name === change.path) out[name] = change.number(node.interval.low, node.interval.high)!;
      else {
        const number = by.number(path + node.suffix);
        out[name] = inside(number, node.interval) ? number! : drawInterval(node.interval, random);
      }
    },
  });
  // Without the path the change did not happen.
  return out[change.path] === undefined ? null : out;
}

const inside = (v: number | null, interval: { readonly low: number; readonly high: number }): boolean =>
  v !== null && v >= interval.low && v <= interval.high;

function drawBest(items: readonly Node[], of: (n: Node) => Agreement, random: Random): Node {
  const all = items.map(of);
  const kept = Math.max(...all.map((a) => a.kept));
  const best = items.filter((_, i) => all[i]!.kept === kept);
  const logs = all.filter((a) => a.kept === kept).map((a) => a.logMass);
  if (best.length === 1) return best[0]!;
  const total = logSum(logs);
  let at = random.uniform();
  for (let i = 0; i < best.length; i++) {
    at -= Math.exp(logs[i]! - total);
    if (at < 0) return best[i]!;
  }
  return best.at(-1)!;
}

import { Random } from '../base/philox.ts';
import type { Circuit, Node } from './circuit.ts';
import { ARCHITECTURE, compileOrNull } from './compile.ts';
import type { Compiled, Outcome } from './compile.ts';
import type { Cost } from './costs.ts';
import { middle } from './decisions.ts';
import { walks } from './estimate.ts';
import { descend } from './fold.ts';
import { measures } from './measures.ts';
import { finishPath } from './naming.ts';
import type { Assignment, Decided } from './assignment.ts';
import type { Measure } from './require-expr.ts';
import type { Space } from './space.ts';
import { MEASURES } from './require-expr.ts';
import { measureOf } from './table.ts';

/** `proven` false: seen in random members only. */
export interface Range {
  readonly min: number;
  readonly max: number;
  readonly proven: boolean;
}

export type Ranges = Readonly<Record<Measure, Range>>;

type Additive = Exclude<Measure, 'depth'>;
export const ADDITIVE: readonly Additive[] = ['params', 'flops', 'macs', 'memory'];
type End = 'min' | 'max';

const known = new WeakMap<Space, Ranges>();

/** The least and the greatest of each measure over all members. Zeros for an empty space. */
export function ranges(space: Space): Ranges {
  let found = known.get(space);
  if (!found) {
    found = { ...additiveRanges(space), depth: depthRange(space) };
    known.set(space, found);
  }
  return found;
}

const EMPTY: Range = { min: 0, max: 0, proven: true };

// A circuit that knows all costs; null where tables do not suffice.
function withCosts(space: Space): Compiled | null {
  const plain = compileOrNull(space);
  return plain?.costed ? plain : compileOrNull(space, { ...ARCHITECTURE, effort: 'costed' });
}

function additiveRanges(space: Space): Record<Additive, Range> {
  const compiled = withCosts(space);
  if (!compiled) return seenRanges(space);
  const of = (measure: Additive): Range => {
    const { min, max } = rangeIn(compiled.circuit, measure);
    return { min, max: Math.min(max, compiled.limits.get(measure) ?? Infinity), proven: true };
  };
  return { params: of('params'), flops: of('flops'), macs: of('macs'), memory: of('memory') };
}

/** The extremes of a measure over the members of a circuit that knows all costs. */
export function rangeIn(circuit: Circuit, measure: Additive): { readonly min: number; readonly max: number } {
  const { root } = circuit;
  if (!root) return { min: 0, max: 0 };
  const end = (e: End): number => extremes(circuit, measure, e).get(root.id)!;
  return { min: end('min'), max: end('max') };
}

// What has the least and the greatest depth; null where tables do not suffice. Where requirements are told apart only coarsely, they are left out: the range is then
// that of more members.
function depthEnd(space: Space, end: End): Outcome | null | undefined {
  const requirements = compileOrNull(space)?.exact ?? false;
  const outcomes = compileOrNull(space, { ...ARCHITECTURE, requirements, depth: end })?.outcomes;
  return outcomes && ((end === 'min' ? outcomes[0] : outcomes.at(-1)) ?? null);
}

function depthRange(space: Space): Range {
  const [least, most] = [depthEnd(space, 'min'), depthEnd(space, 'max')];
  if (least === undefined || most === undefined) return seenRanges(space).depth;
  return least && most ? { min: least.depth, max: most.depth, proven: true } : EMPTY;
}

const WALKS = 200;

function seenRanges(space: Space): Record<Measure, Range> {
  const random = new Random('ranges', space.name);
  const out = Object.fromEntries(MEASURES.map((m) => [m, { min: Infinity, max: -Infinity, proven: false }])) as Record<
    Measure,
    { min: number; max: number; proven: boolean }
  >;
  for (const w of walks(space, random, WALKS, (i) => (i % 2 === 0 ? 'choice' : 'uniform'))) {
    if (!w.fits) continue;
    const m = measures(space, w.assignment);
    for (const name of MEASURES) {
      out[name].min = Math.min(out[name].min, m[name]);
      out[name].max = Math.max(out[name].max, m[name]);
    }
  }
  for (const name of MEASURES) if (out[name].min === Infinity) out[name] = { min: 0, max: 0, proven: false };
  return out;
}

/** The extreme of a measure below every node. */
function extremes(circuit: Circuit, measure: Additive, end: End): ReadonlyMap<number, number> {
  const out = new Map<number, number>();
  const at = (node: Node): number => out.get(node.id)!;
  const of = (cost: Cost): number => measureOf(cost, measure);
  for (const node of circuit.order) {
    switch (node.kind) {
      case 'and':
        out.set(node.id, at(node.left) + at(node.right));
        break;
      case 'or':
        out.set(
          node.id,
          node.items.map(at).reduce((a, b) => (end === 'min' ? Math.min(a, b) : Math.max(a, b))),
        );
        break;
      case 'at':
        out.set(node.id, at(node.item));
        break;
      case 'cost':
        out.set(node.id, of(end === 'min' ? node.cost : node.most));
        break;
      case 'unit':
      case 'lit':
      case 'open':
      case 'sum':
        out.set(node.id, 0);
    }
  }
  return out;
}

/** A member at an end of a range; null where tables do not suffice or the space is empty. */
export function witness(space: Space, measure: Measure, end: End): Assignment | null {
  if (measure === 'depth') {
    const outcome = depthEnd(space, end);
    return outcome ? firstMember(outcome.node, (items) => items[0]!) : null;
  }
  const compiled = withCosts(space);
  const root = compiled?.circuit.root;
  if (!compiled || !root) return null;
  const best = extremes(compiled.circuit, measure, end);
  // Where widths were not told apart, the first is the narrowest and the last the widest.
  const better = (a: Node, b: Node): boolean =>
    end === 'min' ? best.get(a.id)! < best.get(b.id)! : best.get(a.id)! >= best.get(b.id)!;
  return firstMember(root, (items) => items.reduce((found, item) => (better(item, found) ? item : found)));
}

/** One member below a node; `choose` picks at each union. */
export function firstMember(root: Node, choose: (items: readonly Node[]) => Node): Assignment {
  const out: Record<string, Decided> = {};
  descend<null>(root, null, {
    and: () => ({ left: null, right: null }),
    or: (node) => ({ item: choose(node.items), state: null }),
    leaf: (node, path) => {
      out[finishPath(path + node.suffix)] = node.kind === 'lit' ? node.value : middle(node.interval);
    },
  });
  return out;
}

import type { Node, NodeMaker } from './circuit.ts';
import { sameDecided } from './decisions.ts';
import { fold, pathUnder } from './fold.ts';
import { finishPath } from './naming.ts';
import type { Assignment, Decided } from './assignment.ts';
import type { ValueExpr } from './expr.ts';
import type { Space } from './space.ts';

/** What some paths may take. Paths here keep their leading dot. */
export interface Restriction {
  /** Whether anything at or below a path is restricted (may err on the side of yes). */
  under(path: string): boolean;
  /** The test for a path; null: free. */
  test(path: string): ((value: Decided) => boolean) | null;
  /** The number that a continuous decision is given; null: free. */
  number(path: string): number | null;
}

// Every prefix of a path that ends where a name or a number ends, the empty one among them.
function addPrefixes(path: string, into: Set<string>): void {
  into.add('');
  for (let i = 1; i < path.length; i++) if (path[i] === '.' || path[i] === '[') into.add(path.slice(0, i));
  into.add(path);
}

export function assigned(assignment: Assignment): Restriction {
  const prefixes = new Set<string>();
  for (const path of Object.keys(assignment)) addPrefixes(`.${path}`, prefixes);
  const value = (path: string): Decided | undefined => assignment[finishPath(path)];
  return {
    under: (path) => prefixes.has(path),
    test: (path) => {
      const wanted = value(path);
      return wanted === undefined ? null : (v) => sameDecided(wanted, v);
    },
    number: (path) => {
      const v = value(path);
      return typeof v === 'number' ? v : null;
    },
  };
}

type Allowed = { readonly test: (value: Decided) => boolean; readonly number: number | null };

function allowedBy(e: ValueExpr): Allowed {
  switch (e.kind) {
    case 'const':
      return { test: (v) => v === e.value, number: typeof e.value === 'number' ? e.value : null };
    case 'choice': {
      const parts = e.alternatives.map((a) => ({ part: allowedBy(a.expr), text: a.text }));
      return { test: (v) => parts.some(({ part, text }) => part.test(v) || v === text), number: null };
    }
    case 'list': {
      const items = e.items.map((i) => (i.kind === 'const' ? i.value : null));
      return {
        test: (v) => Array.isArray(v) && v.length === items.length && v.every((x, i) => x === items[i]),
        number: null,
      };
    }
    case 'unary': {
      const inner = allowedBy(e.operand);
      const number = e.op === '-' && inner.number !== null ? -inner.number : null;
      return { test: (v) => v === number, number };
    }
    case 'range': {
      const low = allowedBy(e.low).number ?? -Infinity;
      const high = allowedBy(e.high).number ?? Infinity;
      return { test: (v) => typeof v === 'number' && v >= low && v <= high, number: null };
    }
    case 'binary':
    case 'if':
    case 'ref':
    case 'let':
    case 'weight':
      throw new Error('bug: what fixes a decision is not a plain value');
  }
}

const wildcards = (path: string): string => path.replace(/\[\d+\]/g, '[*]');

/** `with { path = value }`: stored paths, where `[*]` is any number. */
export function fixedBy(fixed: Space['fixed']): Restriction {
  const rules = fixed.map((f) => ({ path: `.${f.path}`, allowed: allowedBy(f.value) }));
  const exact = new Set<string>();
  const loose = new Set<string>();
  for (const r of rules) addPrefixes(r.path, r.path.includes('[*]') ? loose : exact);
  const matches = (pattern: string, path: string): boolean => {
    if (!pattern.includes('[*]')) return pattern === path;
    const parts = pattern.split('[*]').map((s) => s.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
    return new RegExp(`^${parts.join('\\[\\d+\\]')}$`).test(path);
  };
  const patterns = new Set([...loose].map(wildcards));
  const found = (path: string): readonly Allowed[] => rules.filter((r) => matches(r.path, path)).map((r) => r.allowed);
  return {
    under: (path) => exact.has(path) || patterns.has(wildcards(path)),
    test: (path) => {
      const all = found(path);
      return all.length === 0 ? null : (v) => all.every((a) => a.test(v));
    },
    number: (path) => found(path).find((a) => a.number !== null)?.number ?? null,
  };
}

/** The part of a circuit that a restriction leaves; null: nothing. `nodes` made the circuit: new nodes come after all old ones. */
export function restrict(root: Node, by: Restriction, nodes: NodeMaker): Node | null {
  type Part = { readonly node: Node | null };
  const folded = fold<Part>(root, {
    known: (node, path) => (by.under(path) || mayBeRestricted(node, path, by) ? null : { node }),
    leaf: (node, path) => {
      if (node.kind !== 'lit' && node.kind !== 'open') return { node };
      const test = by.test(path + node.suffix);
      if (!test) return { node };
      if (node.kind === 'lit') return { node: test(node.value) ? node : null };
      const number = by.number(path + node.suffix);
      const inside = number !== null && number >= node.interval.low && number <= node.interval.high;
      return { node: inside ? nodes.lit(node.site, node.suffix, number, 1) : null };
    },
    and: (left, right, node) => {
      if (!left.node || !right.node) return { node: null };
      return { node: left.node === node.left && right.node === node.right ? node : nodes.and(left.node, right.node) };
    },
    or: (items, node) => {
      const left = items.map((i) => i.node).filter((n): n is Node => n !== null);
      if (left.length === node.items.length && left.every((n, i) => n === node.items[i])) return { node };
      return { node: left.length === 0 ? null : nodes.or(left) };
    },
    at: (item, node) => ({ node: item.node && (item.node === node.item ? node : nodes.at(node.segment, item.node)) }),
  });
  return folded(root, '').node;
}

// A literal names its decision by a suffix of the path that it stands under.
function mayBeRestricted(node: Node, path: string, by: Restriction): boolean {
  if (node.kind === 'lit' || node.kind === 'open') return by.under(path + node.suffix);
  if (node.kind === 'at') return by.under(pathUnder(node, path));
  return false;
}

import { childrenOf } from './circuit.ts';
import type { Node } from './circuit.ts';

/** Values for the nodes of a circuit under their paths, parts before wholes. */
export interface Algebra<T> {
  /** Null: the node must be entered; otherwise its value, without looking further (nothing under this path is special). */
  known(node: Node, path: string): T | null;
  leaf(node: Extract<Node, { kind: 'unit' | 'lit' | 'open' | 'cost' | 'sum' }>, path: string): T;
  and(left: T, right: T, node: Extract<Node, { kind: 'and' }>): T;
  or(items: readonly T[], node: Extract<Node, { kind: 'or' }>): T;
  at(item: T, node: Extract<Node, { kind: 'at' }>): T;
}

/** What a fold found, by node and path. */
export type Folded<T> = (node: Node, path: string) => T;

export const pathUnder = (node: Node, path: string): string => (node.kind === 'at' ? path + node.segment : path);

/** With a stack of its own: circuits are as deep as architectures. */
export function fold<T>(root: Node, algebra: Algebra<T>): Folded<T> {
  const found = new Map<string, Map<number, T>>();
  const rowOf = (path: string): Map<number, T> => {
    let row = found.get(path);
    if (!row) found.set(path, (row = new Map<number, T>()));
    return row;
  };
  const get = (node: Node, path: string): T | undefined => found.get(path)?.get(node.id);
  const stack: { node: Node; path: string; entered: boolean }[] = [{ node: root, path: '', entered: false }];
  while (stack.length > 0) {
    const top = stack[stack.length - 1]!;
    const { node, path } = top;
    if (!top.entered) {
      top.entered = true;
      const row = rowOf(path);
      if (row.has(node.id)) {
        stack.pop();
        continue;
      }
      const known = algebra.known(node, path);
      if (known !== null) {
        row.set(node.id, known);
        stack.pop();
        continue;
      }
      const below = pathUnder(node, path);
      for (const child of childrenOf(node)) {
        if (get(child, below) === undefined) stack.push({ node: child, path: below, entered: false });
      }
      continue;
    }
    stack.pop();
    rowOf(path).set(
      node.id,
      combine(algebra, node, path, (child) => get(child, pathUnder(node, path))!),
    );
  }
  return (node, path) => get(node, path)!;
}

function combine<T>(algebra: Algebra<T>, node: Node, path: string, of: (child: Node) => T): T {
  switch (node.kind) {
    case 'and':
      return algebra.and(of(node.left), of(node.right), node);
    case 'or':
      return algebra.or(node.items.map(of), node);
    case 'at':
      return algebra.at(of(node.item), node);
    case 'unit':
    case 'lit':
    case 'open':
    case 'cost':
    case 'sum':
      return algebra.leaf(node, path);
  }
}

/** A way down a circuit: at each `or` one item, at each `and` both parts. The state goes along. */
export function descend<S>(
  root: Node,
  state: S,
  step: {
    or(node: Extract<Node, { kind: 'or' }>, path: string, state: S): { readonly item: Node; readonly state: S };
    and(node: Extract<Node, { kind: 'and' }>, path: string, state: S): { readonly left: S; readonly right: S };
    leaf(node: Extract<Node, { kind: 'lit' | 'open' }>, path: string): void;
    cost?(node: Extract<Node, { kind: 'cost' }>): void;
  },
): void {
  const stack: { node: Node; path: string; state: S }[] = [{ node: root, path: '', state }];
  for (let top = stack.pop(); top; top = stack.pop()) {
    const { node, path } = top;
    switch (node.kind) {
      case 'or': {
        const next = step.or(node, path, top.state);
        stack.push({ node: next.item, path, state: next.state });
        break;
      }
      case 'and': {
        const states = step.and(node, path, top.state);
        stack.push({ node: node.right, path, state: states.right }, { node: node.left, path, state: states.left });
        break;
      }
      case 'at':
        stack.push({ node: node.item, path: path + node.segment, state: top.state });
        break;
      case 'lit':
      case 'open':
        step.leaf(node, path);
        break;
      case 'cost':
        step.cost?.(node);
        break;
      case 'unit':
      case 'sum':
        break;
    }
  }
}

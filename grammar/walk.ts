import type { Spanned } from './syntax.ts';

/** The nodes right below a node, of any kind, in the order of its fields. */
export function childrenOf(node: Spanned): Spanned[] {
  const found: Spanned[] = [];
  for (const value of Object.values(node) as unknown[]) {
    if (Array.isArray(value)) {
      for (const item of value as unknown[]) if (typeof item === 'object' && item !== null) found.push(item as Spanned);
    } else if (typeof value === 'object' && value !== null) found.push(value as Spanned);
  }
  return found;
}

/** The first node that is more than `limit` nodes (arguments and the like not counted) below `root`; without recursion, so safe on any tree. */
export function nodeBelow(root: Spanned, limit: number): Spanned | undefined {
  const stack: [Spanned, number][] = [[root, 0]];
  for (let top = stack.pop(); top; top = stack.pop()) {
    const [node, depth] = top;
    if (depth > limit) return node;
    for (const child of childrenOf(node)) stack.push([child, 'kind' in child ? depth + 1 : depth]);
  }
  return undefined;
}

import { childrenOf } from './circuit.ts';
import type { Node } from './circuit.ts';
import { ARCHITECTURE, compileOrNull } from './compile.ts';
import { Random } from '../base/philox.ts';
import { walk } from './estimate.ts';
import { pathUnder } from './fold.ts';
import { finishPath } from './naming.ts';
import type { Space } from './space.ts';

const STEPS = 2_000_000;
const WALKS = 100;

/** The stored paths of all decisions that some member's architecture makes, in a fixed order. Where tables do not suffice, those that random members met. */
export function decisionPaths(space: Space): readonly string[] {
  const compiled = compileOrNull(space, ARCHITECTURE);
  return compiled ? pathsBelow(compiled.circuit.root) : seenPaths(space);
}

/** How many decisions there are: distinct stored paths, each copy of a repetition apart. */
export const decisions = (space: Space): number => decisionPaths(space).length;

/** The paths of the decisions below a node. */
export function pathsBelow(root: Node | null): readonly string[] {
  if (!root) return [];
  const paths = new Set<string>();
  const seen = new Map<string, Set<number>>();
  const stack: { node: Node; path: string }[] = [{ node: root, path: '' }];
  let steps = 0;
  for (let top = stack.pop(); top && steps < STEPS; top = stack.pop(), steps++) {
    const { node, path } = top;
    if (node.kind === 'lit' || node.kind === 'open') paths.add(finishPath(path + node.suffix));
    const below = pathUnder(node, path);
    let here = seen.get(below);
    if (!here) seen.set(below, (here = new Set()));
    for (const child of [...childrenOf(node)].reverse()) {
      if (here.has(child.id)) continue;
      here.add(child.id);
      stack.push({ node: child, path: below });
    }
  }
  return [...paths];
}

function seenPaths(space: Space): readonly string[] {
  const random = new Random('decisions', space.name);
  const paths = new Set<string>();
  for (let i = 0; i < WALKS; i++) {
    for (const path of Object.keys(walk(space, random, { measure: 'uniform' }).assignment)) paths.add(path);
  }
  return [...paths];
}

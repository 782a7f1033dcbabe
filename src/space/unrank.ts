import { Unfit } from '../base/unfit.ts';
import { ALL, ARCHITECTURE, compile, totalOf } from './compile.ts';
import type { Node } from './circuit.ts';
import type { Compiled } from './compile.ts';
import { Beyond } from './limits.ts';
import { middle } from './decisions.ts';
import { descend, fold } from './fold.ts';
import { finishPath } from './naming.ts';
import { assigned } from './restriction.ts';
import type { Assignment, Decided } from './assignment.ts';
import type { Space } from './space.ts';

interface Part {
  readonly train?: boolean;
}

function exactly(space: Space, part: Part): Compiled {
  const compiled = compile(space, { ...(part.train ? ALL : ARCHITECTURE), effort: 'full' });
  if (!compiled.exact) throw new Beyond(`the members of ${space.name} are not numbered: its tables would be too large`);
  return compiled;
}

/** The member of a rank, from 0 to below `count`; continuous decisions are at their centre. Throws Beyond where tables do not suffice. */
export function unrank(space: Space, rank: bigint, part: Part = {}): Assignment {
  const { circuit } = exactly(space, part);
  const total = totalOf(circuit);
  if (!circuit.root || rank < 0n || rank >= total) throw new RangeError(`rank ${rank} is not below the count ${total}`);
  const countOf = (node: Node): bigint => circuit.counts[node.id]!;
  const out: Record<string, Decided> = {};
  descend<bigint>(circuit.root, rank, {
    or: (node, _, index) => {
      let at = index;
      for (const item of node.items) {
        const n = countOf(item);
        if (at < n) return { item, state: at };
        at -= n;
      }
      throw new Error('bug: a rank above its count');
    },
    and: (node, _, index) => {
      const n = countOf(node.right);
      return { left: index / n, right: index % n };
    },
    leaf: (node, path) => {
      out[finishPath(path + node.suffix)] = node.kind === 'lit' ? node.value : middle(node.interval);
    },
  });
  return out;
}

/** The rank of a member: the inverse of `unrank` on finite decisions. Throws Unfit where the assignment is no member, Beyond where tables do not suffice. */
export function rank(space: Space, assignment: Assignment, part: Part = {}): bigint {
  const found = rankOrNull(space, assignment, part);
  if (found === null) throw new Unfit(`this is no member of ${space.name}`);
  return found;
}

/** The same; null where the assignment is no member. Decisions that the member does not make are overlooked. */
export function rankOrNull(space: Space, assignment: Assignment, part: Part = {}): bigint | null {
  const { circuit } = exactly(space, part);
  if (!circuit.root) return null;
  const by = assigned(assignment);
  type Found = { readonly rank: bigint | null };
  const countOf = (node: Node): bigint => circuit.counts[node.id]!;
  const folded = fold<Found>(circuit.root, {
    known: () => null,
    leaf: (node, path) => {
      if (node.kind === 'lit') return { rank: by.test(path + node.suffix)?.(node.value) ? 0n : null };
      if (node.kind === 'open') return { rank: by.number(path + node.suffix) === null ? null : 0n };
      return { rank: 0n };
    },
    and: (left, right, node) => ({
      rank: left.rank === null || right.rank === null ? null : left.rank * countOf(node.right) + right.rank,
    }),
    or: (items, node) => {
      let before = 0n;
      for (let i = 0; i < items.length; i++) {
        const found = items[i]!.rank;
        if (found !== null) return { rank: before + found };
        before += countOf(node.items[i]!);
      }
      return { rank: null };
    },
    at: (item) => item,
  });
  return folded(circuit.root, '').rank;
}

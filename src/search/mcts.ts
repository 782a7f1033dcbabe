import { countGiven, next, sampleGiven } from '../space/restrict.ts';
import type { NextDecision } from '../space/restrict.ts';
import type { Assignment, Decided, Space } from '../space/space.ts';
import type { Random } from '../base/philox.ts';
import { assignmentKey } from './history.ts';
import type { History, TrialRecord } from './history.ts';
import { number } from './searcher.ts';
import type { SearcherDef } from './searcher.ts';

/**
 * A node stands for a partial assignment and, with bisection, an interval of the alternatives of its next decision. Continuous decisions get
 * children by progressive widening: about width * visits^(1/2) of them.
 */
interface Node {
  readonly partial: Assignment;
  readonly decision: NextDecision | null;
  /** Alternatives [low, high) that are still open here. */
  readonly low: number;
  readonly high: number;
  children: Node[] | null;
  trials: number[];
  readonly members: bigint;
}

const sameValue = (a: Decided | undefined, b: Decided): boolean =>
  a !== undefined && JSON.stringify(a) === JSON.stringify(b);

const ordered = (decision: NextDecision): boolean =>
  decision.alternatives.length > 2 && decision.alternatives.every((v) => typeof v === 'number');

class Tree {
  readonly root: Node;
  private readonly space: Space;
  private readonly bisect: boolean;
  private placed = 0;

  constructor(space: Space, bisect: boolean) {
    this.space = space;
    this.bisect = bisect;
    this.root = this.node({});
  }

  private node(partial: Assignment): Node {
    const decision = next(this.space, partial);
    const high = decision?.alternatives.length ?? 0;
    return { partial, decision, low: 0, high, children: null, trials: [], members: countGiven(this.space, partial) };
  }

  // Splits an interval of ordered alternatives in two, or gives one child for each alternative.
  private expand(node: Node): Node[] {
    if (node.children) return node.children;
    const decision = node.decision!;
    const child = (i: number): Node => this.node({ ...node.partial, [decision.path]: decision.alternatives[i]! });
    const indices = Array.from({ length: node.high - node.low }, (_, i) => node.low + i).filter(
      (i) => decision.feasible[i]! > 0n,
    );
    if (!this.bisect || !ordered(decision) || indices.length <= 2) {
      node.children = indices.map(child);
    } else {
      const middle = indices[indices.length >> 1]!;
      node.children = [
        [node.low, middle],
        [middle, node.high],
      ].map(([low, high]) => this.interval(node, low!, high!));
    }
    return node.children;
  }

  private interval(node: Node, low: number, high: number): Node {
    const decision = node.decision!;
    let members = 0n;
    for (let i = low; i < high; i++) members += decision.feasible[i]!;
    return { partial: node.partial, decision, low, high, children: null, trials: [], members };
  }

  private continuousChild(node: Node, value: Decided): Node {
    const path = node.decision!.path;
    node.children ??= [];
    const found = node.children.find((c) => sameValue(c.partial[path], value));
    if (found) return found;
    const made = this.node({ ...node.partial, [path]: value });
    node.children.push(made);
    return made;
  }

  /** Children that a walk may enter. */
  open(node: Node, random: Random, width: number): readonly Node[] {
    if (!node.decision) return [];
    if (!node.decision.continuous) return this.expand(node);
    const wanted = Math.max(1, Math.floor(width * Math.sqrt(node.trials.length + 1)));
    if ((node.children?.length ?? 0) < wanted) {
      const drawn = sampleGiven(this.space, node.partial, { random, measure: 'choice' });
      this.continuousChild(node, drawn[node.decision.path]!);
    }
    return node.children!;
  }

  private childOf(node: Node, assignment: Assignment): Node | null {
    if (!node.decision) return null;
    const value = assignment[node.decision.path];
    if (value === undefined) return null;
    if (node.decision.continuous) return this.continuousChild(node, value);
    const at = node.decision.alternatives.findIndex((v) => sameValue(value, v));
    if (at < 0) return null;
    return (
      this.expand(node).find((c) =>
        c.decision === node.decision ? at >= c.low && at < c.high : sameValue(c.partial[node.decision!.path], value),
      ) ?? null
    );
  }

  /** Adds trials asked since the last call to the nodes on their way. */
  place(trials: readonly TrialRecord[]): void {
    for (; this.placed < trials.length; this.placed++) this.descend(this.root, trials[this.placed]!, trials);
  }

  // A node grows children at its second visit; then the first trial goes down too.
  private descend(node: Node, record: TrialRecord, trials: readonly TrialRecord[]): void {
    node.trials.push(record.trial);
    if (node.trials.length === 1) return;
    const late = node.trials.length === 2 ? [trials[node.trials[0]!]!, record] : [record];
    for (const r of late) {
      const child = this.childOf(node, r.assignment);
      if (child) this.descend(child, r, trials);
    }
  }
}

// A subtree is spent when every member of it was asked; continuous decisions never are.
function spent(node: Node, history: History): boolean {
  if (BigInt(node.trials.length) < node.members || node.members === 0n) return node.members === 0n;
  if (node.decision?.continuous) return false;
  return new Set(node.trials.map((t) => assignmentKey(history.trials[t]!.assignment))).size >= Number(node.members);
}

/**
 * UCT over the decision tree (Kocsis and Szepesvari 2006), with the running rank of a result as its reward: raw accuracies differ too little to guide it. A running trial counts
 * as a visit of reward 0 (virtual loss), so parallel asks spread.
 */
function walk(tree: Tree, history: History, random: Random, exploration: number, width: number): Node {
  const ranks = history.ranks();
  let node = tree.root;
  for (;;) {
    const open = tree.open(node, random, width).filter((c) => !spent(c, history));
    if (open.length === 0) return node;
    const fresh = open.filter((c) => c.trials.length === 0);
    if (fresh.length > 0) return pickFresh(fresh, random);
    let best = open[0]!;
    let bestScore = -Infinity;
    for (const child of open) {
      const reward = child.trials.reduce((sum, t) => sum + (ranks.get(t) ?? 0), 0) / child.trials.length;
      const bonus = exploration * Math.sqrt(Math.log(node.trials.length + 1) / child.trials.length);
      if (reward + bonus > bestScore) [best, bestScore] = [child, reward + bonus];
    }
    node = best;
  }
}

// Unvisited children by the number of members below them.
function pickFresh(fresh: readonly Node[], random: Random): Node {
  const total = fresh.reduce((n, c) => n + c.members, 0n);
  if (total <= 0n) return fresh[random.below(fresh.length)]!;
  let at = random.belowBig(total);
  for (const child of fresh) {
    if (at < child.members) return child;
    at -= child.members;
  }
  return fresh.at(-1)!;
}

export const mcts: SearcherDef = {
  name: 'mcts',
  doc: 'Monte-Carlo tree search (UCT) over the decision tree, with the rank of a result as reward.',
  args: [
    {
      name: 'reward',
      doc: 'rank: the running rank of a result',
      type: { kind: 'name', oneOf: ['rank'] },
      default: 'rank',
      positional: true,
    },
    { name: 'bisect', doc: 'whether ordered choices are halved step by step', type: { kind: 'truth' }, default: true },
    {
      name: 'exploration',
      doc: 'weight of the exploration term',
      type: { kind: 'real', min: 0, max: 1000 },
      default: 0.33,
    },
    {
      name: 'width',
      doc: 'progressive widening of continuous ranges: width * sqrt(visits) values',
      type: { kind: 'real', min: 0, max: 1000, openMin: true },
      default: 1,
    },
  ],
  create: (space, args) => {
    const tree = new Tree(space, args['bisect'] === true);
    return ({ history, random }) => {
      tree.place(history.trials);
      const node = walk(tree, history, random, number(args, 'exploration'), number(args, 'width'));
      return rollout(space, node, random);
    };
  },
};

// A uniform member below the node; within an interval of alternatives one is drawn by its number of members.
function rollout(space: Space, node: Node, random: Random): Assignment {
  const decision = node.decision;
  if (!decision || decision.continuous || node.high - node.low === decision.alternatives.length) {
    return sampleGiven(space, node.partial, { random, measure: 'uniform' });
  }
  let at = random.belowBig(node.members > 0n ? node.members : 1n);
  for (let i = node.low; i < node.high; i++) {
    if (at < decision.feasible[i]!) {
      return sampleGiven(
        space,
        { ...node.partial, [decision.path]: decision.alternatives[i]! },
        { random, measure: 'uniform' },
      );
    }
    at -= decision.feasible[i]!;
  }
  throw new Error(`bug: an interval of ${decision.path} lost its members`);
}

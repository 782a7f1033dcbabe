import type { Assignment } from '../space/assignment.ts';
import { DecisionTree } from './decision-tree.ts';
import type { TreeNode } from './decision-tree.ts';
import { Effects } from './effects.ts';
import type { History } from './history.ts';
import { number } from './searcher.ts';
import type { SearcherDef } from './searcher.ts';

/** Random completions of which the one that promises most is proposed. */
const ROLLOUTS = 8;
/** Visits after which a node's own mean weighs as much as the effects seen elsewhere. */
const TRUST = 8;

interface Walk {
  readonly tree: DecisionTree;
  /** By index of trial; a running trial counts as a visit of reward 0 (virtual loss), so parallel asks spread. */
  readonly rewards: readonly number[];
  readonly effects: Effects;
  readonly seed: number;
  readonly exploration: number;
  readonly width: number;
}

/**
 * UCT over the decision tree (Kocsis and Szepesvari 2006), with the running rank of a result as its reward: raw accuracies differ too little to guide it.
 * While a node has few visits, the effects of its decision elsewhere in the tree stand in for its own mean (RAVE: Gelly and Silver 2007).
 */
function descend(w: Walk): TreeNode {
  let node = w.tree.root;
  for (;;) {
    const open = w.tree.open(node, w.tree.stream(node, w.seed), w.width);
    const path = node.decision?.path;
    if (open.length === 0 || path === undefined) return node;
    let best = open[0]!;
    let most = -Infinity;
    for (const child of open) {
      const score =
        valueOf(w, path, child) +
        w.exploration * Math.sqrt(Math.log(node.trials.length + 1) / (child.trials.length + 1));
      if (score > most) [best, most] = [child, score];
    }
    node = best;
  }
}

function valueOf(w: Walk, path: string, child: TreeNode): number {
  const visits = child.trials.length;
  const mean = visits === 0 ? 0 : child.trials.reduce((sum, t) => sum + w.rewards[t]!, 0) / visits;
  const trust = visits / (visits + TRUST);
  return trust * mean + (1 - trust) * w.effects.of(path, w.tree.valuesOf(path, child));
}

// Of some uniform members below the node the one that promises most. Null where none was found.
function rollout(w: Walk, node: TreeNode, history: History): Assignment | null {
  const random = w.tree.stream(node, w.seed);
  const draw = w.tree.below(node, random);
  let best: Assignment | null = null;
  let most = -Infinity;
  for (let i = 0; i < ROLLOUTS; i++) {
    const found = draw(random);
    if (!found) break;
    const score = history.has(found) ? -Infinity : w.effects.score(found);
    if (score > most || best === null) [best, most] = [found, score];
  }
  return best;
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
      default: 0.6,
    },
    {
      name: 'width',
      doc: 'progressive widening of continuous ranges: width * sqrt(visits) values',
      type: { kind: 'real', min: 0, max: 1000, openMin: true },
      default: 1,
    },
  ],
  create: (space, args) => {
    const tree = new DecisionTree(space, args['bisect'] === true);
    const exploration = number(args, 'exploration');
    const width = number(args, 'width');
    return ({ history, random }) => {
      tree.place(history.trials);
      if (tree.isClosed(tree.root)) return null;
      const ranks = history.ranks();
      const rewards = history.trials.map((t) => ranks.get(t.trial) ?? 0);
      const effects = new Effects(history, tree.continuous);
      const walk: Walk = { tree, rewards, effects, seed: random.word(), exploration, width };
      for (;;) {
        const node = descend(walk);
        const found = rollout(walk, node, history);
        if (found) return found;
        // No member is there, though tables could not tell.
        node.closed = true;
        if (tree.isClosed(tree.root)) return null;
      }
    };
  },
};

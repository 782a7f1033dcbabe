import { countGiven, isCounted, next, samplerGiven } from '../space/restrict.ts';
import type { NextDecision } from '../space/restrict.ts';
import type { Assignment, Decided } from '../space/assignment.ts';
import type { Space } from '../space/space.ts';
import { Random } from '../base/philox.ts';
import { assignmentKey } from './history.ts';
import type { TrialRecord } from './history.ts';

/** Fresh values of a continuous decision that are weighed against each other. */
const FRESH = 8;

/** The alternatives [low, high) of a decision among which a node's members are. */
interface Part {
  readonly decision: NextDecision;
  readonly low: number;
  readonly high: number;
}

/** A partial assignment, with bisection a part of its next decision too, and the trials below. */
export interface TreeNode {
  readonly partial: Assignment;
  readonly part: Part | null;
  /** Members below; an upper bound where tables do not suffice. */
  readonly members: bigint;
  /** The next decision, null where nothing is open; undefined until it is asked for. */
  decision: NextDecision | null | undefined;
  children: TreeNode[] | null;
  /** Indices of trials. */
  readonly trials: number[];
  closed: boolean;
}

const sameValue = (a: Decided | undefined, b: Decided): boolean =>
  a === b || (typeof a === 'object' && typeof b === 'object' && a.length === b.length && a.every((v, i) => v === b[i]));

const isOrdered = (decision: NextDecision): boolean =>
  decision.alternatives.length > 2 && decision.alternatives.every((v) => typeof v === 'number');

/**
 * The decisions of a space in the order of evaluation, grown along the trials. With `bisect` ordered choices are halved step by step; continuous decisions get
 * children by progressive widening.
 */
export class DecisionTree {
  readonly root: TreeNode;
  /** Paths of continuous decisions met so far. */
  readonly continuous = new Set<string>();
  private readonly space: Space;
  private readonly bisect: boolean;
  private readonly counted: boolean;
  private placed = 0;

  constructor(space: Space, bisect: boolean) {
    this.space = space;
    this.bisect = bisect;
    this.counted = isCounted(space);
    this.root = this.node({}, countGiven(space, {}));
  }

  private node(partial: Assignment, members: bigint, part: Part | null = null): TreeNode {
    const decision = part?.decision;
    return { partial, part, members, decision, children: null, trials: [], closed: members === 0n };
  }

  decisionOf(node: TreeNode): NextDecision | null {
    if (node.decision === undefined) {
      node.decision = next(this.space, node.partial);
      if (node.decision?.continuous) this.continuous.add(node.decision.path);
    }
    return node.decision;
  }

  // Two halves of an ordered choice, or a child for each alternative.
  private expand(node: TreeNode, decision: NextDecision): readonly TreeNode[] {
    if (node.children) return node.children;
    const { path, alternatives, feasible } = decision;
    const [low, high] = node.part ? [node.part.low, node.part.high] : [0, alternatives.length];
    const open = Array.from({ length: high - low }, (_, i) => low + i).filter((i) => feasible[i]! > 0n);
    if (this.bisect && isOrdered(decision) && open.length > 2) {
      const middle = open[open.length >> 1]!;
      node.children = [
        this.half(node, { decision, low, high: middle }),
        this.half(node, { decision, low: middle, high }),
      ];
    } else node.children = open.map((i) => this.node({ ...node.partial, [path]: alternatives[i]! }, feasible[i]!));
    return node.children;
  }

  private half(node: TreeNode, part: Part): TreeNode {
    const members = part.decision.feasible.slice(part.low, part.high).reduce((a, b) => a + b, 0n);
    return this.node(node.partial, members, part);
  }

  private continuousChild(node: TreeNode, path: string, value: Decided): TreeNode {
    node.children ??= [];
    let child = node.children.find((c) => sameValue(c.partial[path], value));
    if (!child) node.children.push((child = this.node({ ...node.partial, [path]: value }, node.members)));
    return child;
  }

  /**
   * Children that a walk may enter, none at the end of the tree: a node grows at its second visit. A continuous decision has about width * sqrt(visits); while
   * it has fewer, some fresh ones stand for choice, and that one stays to which a trial goes, so that the tree follows from the trials.
   */
  open(node: TreeNode, random: Random, width: number): readonly TreeNode[] {
    const decision = node.trials.length < 2 ? null : this.decisionOf(node);
    if (!decision) return [];
    if (!decision.continuous) return this.expand(node, decision).filter((c) => !this.isClosed(c));
    const there = (node.children ?? []).filter((c) => !this.isClosed(c));
    if (there.length >= Math.max(1, Math.floor(width * Math.sqrt(node.trials.length)))) return there;
    const draw = samplerGiven(this.space, node.partial, 'choice');
    const values = Array.from({ length: FRESH }, () => draw(random)?.[decision.path]).filter((v) => v !== undefined);
    return [...there, ...values.map((v) => this.node({ ...node.partial, [decision.path]: v }, node.members))];
  }

  /** Whether nothing below is left to try. */
  isClosed(node: TreeNode): boolean {
    if (node.closed || node.trials.length === 0) return node.closed;
    if (this.counted) node.closed = BigInt(node.trials.length) >= node.members;
    if (!node.closed) {
      const decision = this.decisionOf(node);
      node.closed =
        !decision || (!decision.continuous && node.children !== null && node.children.every((c) => this.isClosed(c)));
    }
    return node.closed;
  }

  /** Adds trials asked since the last call to the nodes on their way. */
  place(trials: readonly TrialRecord[]): void {
    for (; this.placed < trials.length; this.placed++) this.descend(this.placed, trials);
  }

  private descend(index: number, trials: readonly TrialRecord[]): void {
    const stack = [{ node: this.root, index }];
    for (let top = stack.pop(); top; top = stack.pop()) {
      const { node } = top;
      node.trials.push(top.index);
      if (node.trials.length === 1) continue;
      // At the second visit the first trial goes down too.
      for (const i of node.trials.length === 2 ? node.trials : [top.index]) {
        const child = this.childOf(node, trials[i]!.assignment);
        if (child) stack.push({ node: child, index: i });
      }
    }
  }

  private childOf(node: TreeNode, assignment: Assignment): TreeNode | null {
    const decision = this.decisionOf(node);
    const value = decision && assignment[decision.path];
    if (!decision || value === undefined || value === null) return null;
    if (decision.continuous) return this.continuousChild(node, decision.path, value);
    const at = decision.alternatives.findIndex((v) => sameValue(value, v));
    const holds = (c: TreeNode): boolean =>
      c.part ? at >= c.part.low && at < c.part.high : sameValue(c.partial[decision.path], value);
    return at < 0 ? null : (this.expand(node, decision).find(holds) ?? null);
  }

  /** The values that a child allows for its parent's decision. */
  valuesOf(path: string, child: TreeNode): readonly Decided[] {
    const { part } = child;
    return part ? part.decision.alternatives.slice(part.low, part.high) : [child.partial[path]!];
  }

  /** A stream of the node's own: what is drawn elsewhere does not change it. */
  stream(node: TreeNode, seed: number): Random {
    return new Random('mcts', seed, assignmentKey(node.partial), node.part?.low ?? 0, node.part?.high ?? 0);
  }

  /** Draws members below a node, each alike; within a part of the alternatives one of them is drawn by its number of members. */
  below(node: TreeNode, random: Random): (random: Random) => Assignment | null {
    const { part } = node;
    if (!part) return samplerGiven(this.space, node.partial, 'uniform');
    let at = random.belowBig(node.members);
    let i = part.low;
    for (; at >= part.decision.feasible[i]!; i++) at -= part.decision.feasible[i]!;
    return samplerGiven(
      this.space,
      { ...node.partial, [part.decision.path]: part.decision.alternatives[i]! },
      'uniform',
    );
  }
}

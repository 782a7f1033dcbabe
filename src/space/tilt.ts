import type { Random } from '../base/philox.ts';
import { logSum } from './circuit.ts';
import type { Circuit, Node } from './circuit.ts';
import { drawInterval } from './decisions.ts';
import { descend } from './fold.ts';
import { finishPath } from './naming.ts';
import type { Assignment, Decided } from './assignment.ts';
import { measureOf } from './table.ts';
import type { Tracked } from './table.ts';

/** A measure that must not be above `most`. */
export type Limit = Pick<Tracked, 'measure' | 'most'>;

/**
 * Members by exp(-Σ λ·cost/most) times their weight: small ones are drawn more often, just as much as their costs say, and factorised over the circuit. Costs are the least that a
 * member may have, as the circuit knows it. Accepted with exp(Σ λ·(cost/most - 1)) those that fit have their weights again, exactly; a member that does not fit is refused anyway. (An
 * exponential tilt with rejection: Siegmund 1976.)
 */
export interface Tilt {
  readonly circuit: Circuit;
  readonly limits: readonly Limit[];
  /** By limit, in units of 1/most. */
  readonly lambdas: readonly number[];
  /** By node id: the logarithm of the tilted weight below it. */
  readonly logs: Float64Array;
  /** The logarithm of a bound on the weight of all that fit: the least over all λ, so that the most is accepted. */
  readonly bound: number;
}

const costs = (node: Extract<Node, { kind: 'cost' }>, { measure, most }: Limit): number =>
  measureOf(node.cost, measure) / most;

interface Passed {
  readonly logs: Float64Array;
  /** What a drawn member costs of the limit on average. */
  readonly mean: number;
}

/** Weights below all nodes, and the mean of one cost under them. `leaf`: the logarithm of the weight of a decision. */
function pass(
  circuit: Circuit,
  limits: readonly Limit[],
  lambdas: readonly number[],
  leaf: (node: Node) => number,
  of: Limit,
): Passed {
  const logs = new Float64Array(circuit.counts.length);
  const means = new Float64Array(circuit.counts.length);
  for (const node of circuit.order) {
    const { id } = node;
    switch (node.kind) {
      case 'and':
        logs[id] = logs[node.left.id]! + logs[node.right.id]!;
        means[id] = means[node.left.id]! + means[node.right.id]!;
        break;
      case 'or': {
        const total = logSum(node.items.map((item) => logs[item.id]!));
        logs[id] = total;
        let mean = 0;
        for (const item of node.items) mean += Math.exp(logs[item.id]! - total) * means[item.id]!;
        means[id] = mean;
        break;
      }
      case 'at':
        logs[id] = logs[node.item.id]!;
        means[id] = means[node.item.id]!;
        break;
      case 'cost':
        logs[id] = -limits.reduce((sum, limit, i) => sum + lambdas[i]! * costs(node, limit), 0);
        means[id] = costs(node, of);
        break;
      case 'unit':
      case 'lit':
      case 'open':
      case 'sum':
        logs[id] = leaf(node);
    }
  }
  return { logs, mean: means[circuit.root!.id]! };
}

const ROUNDS = 3;
const STEPS = 12;
const CLOSE = 0.02;
const STEEPEST = 2 ** 16;

/** The λ that makes the mean cost of `at` the limit, others as they are: there the bound is least (its slope in λ is 1 - mean). */
function settle(means: (lambda: number) => number, before: number): number {
  if (means(0) <= 1) return 0;
  let [low, high] = [0, Math.max(1, before)];
  while (means(high) > 1 && high < STEEPEST) [low, high] = [high, 2 * high];
  for (let i = 0; i < STEPS; i++) {
    const middle = (low + high) / 2;
    const mean = means(middle);
    if (Math.abs(mean - 1) < CLOSE) return middle;
    if (mean > 1) low = middle;
    else high = middle;
  }
  return high;
}

/** Null where the circuit is empty. Limits are above 0. `byPrior`: members by their prior, else each alike. */
export function makeTilt(circuit: Circuit, limits: readonly Limit[], byPrior: boolean): Tilt | null {
  const { root } = circuit;
  if (!root) return null;
  const leaf = (node: Node): number => (byPrior && node.kind === 'lit' ? Math.log(node.share) : 0);
  const lambdas = limits.map(() => 0);
  for (let round = 0; round < (limits.length > 1 ? ROUNDS : 1); round++) {
    limits.forEach((limit, i) => {
      const mean = (lambda: number): number => pass(circuit, limits, lambdas.with(i, lambda), leaf, limit).mean;
      lambdas[i] = settle(mean, lambdas[i]!);
    });
  }
  const { logs } = pass(circuit, limits, lambdas, leaf, { measure: 'params', most: 1 });
  const bound = lambdas.reduce((sum, l) => sum + l, logs[root.id]!);
  return { circuit, limits, lambdas, logs, bound };
}

/** A member that may be accepted; null where it is refused. Whether it meets the requirements is for the caller. */
export function drawTilted(tilt: Tilt, random: Random): Assignment | null {
  const { circuit, limits, lambdas, logs } = tilt;
  const out: Record<string, Decided> = {};
  let accepted = -lambdas.reduce((sum, l) => sum + l, 0);
  descend<null>(circuit.root!, null, {
    and: () => ({ left: null, right: null }),
    or: (node) => ({ item: byLogs(node.items, logs, logs[node.id]!, random), state: null }),
    cost: (node) => limits.forEach((limit, i) => (accepted += lambdas[i]! * costs(node, limit))),
    leaf: (node, path) => {
      out[finishPath(path + node.suffix)] = node.kind === 'lit' ? node.value : drawInterval(node.interval, random);
    },
  });
  // Above 0 the member surely fails a limit.
  return accepted <= 0 && Math.log(random.uniform()) < accepted ? out : null;
}

function byLogs(items: readonly Node[], logs: Float64Array, total: number, random: Random): Node {
  let left = random.uniform();
  for (const item of items) {
    left -= Math.exp(logs[item.id]! - total);
    if (left < 0) return item;
  }
  return items.reduce((best, item) => (logs[item.id]! > logs[best.id]! ? item : best));
}

import type { Graph, Node, Value } from '../ir/graph.ts';
import { graphBuilder } from '../ir/graph-builder.ts';
import type { Attrs, OpDef } from '../ir/op.ts';
import { withRoots } from '../ir/rebuild.ts';
import { rootsOf, ValueMap } from '../ir/value.ts';
import { sharing } from './share.ts';

/** What a rule sees: the graph as it stands before a pass, and a way to build what replaces a part of it. */
export interface Match {
  /** How often a value is used: as an input or as a root. */
  uses(value: Value): number;
  /** Applies an op to values of the old graph (or to what this rule has just built) and gives its first output. */
  one(op: OpDef, inputs: readonly (Value | null)[], attrs?: Attrs): Value;
}

/** A law: a node's outputs may be replaced by these values, of the same types; null where the law does not apply. */
export interface Rule {
  readonly name: string;
  readonly apply: (node: Node, match: Match) => readonly Value[] | null;
}

/** More passes than any graph needs: rules that never come to rest are a bug. */
const MAX_PASSES = 200;

/**
 * Applies the rules until none applies. Equal applications are shared, and what no root needs is dropped. Pure functions of equal inputs are
 * equal, random ones too: their keys are attributes.
 */
export function rewrite(graph: Graph, rules: readonly Rule[]): Graph {
  let current = graph;
  for (let pass = 0; pass < MAX_PASSES; pass++) {
    const next = rewriteOnce(current, rules);
    const resting = !next.applied && next.graph.nodes.length === current.nodes.length;
    current = next.graph;
    if (resting) return current;
  }
  throw new Error('bug: the rewrite rules never come to rest');
}

function rewriteOnce(graph: Graph, rules: readonly Rule[]): { readonly graph: Graph; readonly applied: boolean } {
  const builder = graphBuilder({ mode: 'train', seed: 0 });
  const apply = sharing(builder);
  const uses = countUses(graph);
  const renewed = new ValueMap<Value>();
  const renew = (value: Value): Value => renewed.get(value) ?? value;
  const match: Match = {
    uses: (value) => uses.get(value) ?? 0,
    one: (op, inputs, attrs = {}) =>
      apply(
        op,
        inputs.map((v) => v && renew(v)),
        attrs,
      )[0]!,
  };
  let applied = false;
  for (const node of graph.nodes) {
    const values = builder.scope(node.path, () => {
      const replaced = firstThatApplies(rules, node, match);
      if (replaced) applied = true;
      return (
        replaced?.map(renew) ??
        apply(
          node.op,
          node.inputs.map((v) => v && renew(v)),
          node.attrs,
        )
      );
    });
    values.forEach((value, index) => renewed.set({ source: node, index, type: node.types[index]! }, value));
  }
  return { graph: withRoots(graph, renew), applied };
}

function firstThatApplies(rules: readonly Rule[], node: Node, match: Match): readonly Value[] | null {
  for (const rule of rules) {
    const values = rule.apply(node, match);
    if (values) return values;
  }
  return null;
}

function countUses(graph: Graph): ValueMap<number> {
  const uses = new ValueMap<number>();
  const use = (value: Value | null): void => {
    if (value) uses.set(value, (uses.get(value) ?? 0) + 1);
  };
  for (const node of graph.nodes) node.inputs.forEach(use);
  rootsOf(graph).forEach(use);
  return uses;
}

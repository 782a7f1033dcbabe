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
  /** What uses it, each as often as it does; null for a root. */
  readers(value: Value): readonly (Node | null)[];
  /** Applies an op to values of the old graph (or to what this rule has just built) and gives its first output. */
  one(op: OpDef, inputs: readonly (Value | null)[], attrs?: Attrs): Value;
  /** The same with all of its outputs. */
  all(op: OpDef, inputs: readonly (Value | null)[], attrs?: Attrs): readonly Value[];
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
  const readers = readersOf(graph);
  const renewed = new ValueMap<Value>();
  const renew = (value: Value): Value => renewed.get(value) ?? value;
  const all: Match['all'] = (op, inputs, attrs = {}) =>
    apply(
      op,
      inputs.map((v) => v && renew(v)),
      attrs,
    );
  const match: Match = {
    uses: (value) => readers.get(value)?.length ?? 0,
    readers: (value) => readers.get(value) ?? [],
    one: (...application) => all(...application)[0]!,
    all,
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

function readersOf(graph: Graph): ValueMap<(Node | null)[]> {
  const readers = new ValueMap<(Node | null)[]>();
  const read = (value: Value | null, reader: Node | null): void => {
    if (!value) return;
    const others = readers.get(value);
    if (others) others.push(reader);
    else readers.set(value, [reader]);
  };
  for (const node of graph.nodes) node.inputs.forEach((value) => read(value, node));
  rootsOf(graph).forEach((value) => read(value, null));
  return readers;
}

import type { Builder } from './builder.ts';
import type { Graph, Node, Value } from './graph.ts';
import { graphBuilder } from './graph-builder.ts';
import { nodesBehind, rootsOf, ValueMap } from './value.ts';

/** What a node becomes: values for its outputs, or null to keep it as it is. `inputs` are those of the new graph. */
export type Replace = (b: Builder, node: Node, inputs: readonly (Value | null)[]) => readonly Value[] | null;

/** A graph made anew, node by node in order, each kept or replaced; nodes that no root needs any more are gone. */
export function rebuild(graph: Graph, replace: Replace): Graph {
  const builder = graphBuilder({ mode: 'train', seed: 0 });
  const renewed = new ValueMap<Value>();
  const renew = (value: Value): Value => renewed.get(value) ?? value;
  for (const node of graph.nodes) {
    const inputs = node.inputs.map((v) => v && renew(v));
    const values = builder.scope(
      node.path,
      () => replace(builder, node, inputs) ?? builder.apply(node.op, inputs, node.attrs),
    );
    values.forEach((value, index) => renewed.set({ source: node, index, type: value.type }, value));
  }
  return withRoots(graph, renew);
}

/** The graph with its roots renewed: nodes are those that they need, in an order in which inputs come first. */
export function withRoots(graph: Graph, renew: (value: Value) => Value): Graph {
  const roots = {
    outputs: graph.outputs.map((o) => ({ ...o, value: renew(o.value) })),
    updates: graph.updates.map((u) => ({ ...u, value: renew(u.value) })),
    losses: graph.losses.map(renew),
  };
  return { leaves: graph.leaves, nodes: nodesBehind(rootsOf(roots)), ...roots };
}

/** Replaces ops by their decompositions, again and again, wherever `needed` says so. */
export function lower(graph: Graph, needed: (node: Node) => boolean): Graph {
  for (let current = graph; ;) {
    const todo = new Set(current.nodes.filter((n) => n.op.decompose !== undefined && needed(n)));
    if (todo.size === 0) return current;
    current = rebuild(current, (b, node, inputs) =>
      todo.has(node) ? node.op.decompose!(b, inputs, node.attrs) : null,
    );
  }
}

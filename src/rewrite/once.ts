import { createHash } from 'node:crypto';
import { attrsKey } from '../ir/attrs.ts';
import type { Graph, Leaf, Node, Value } from '../ir/graph.ts';
import { rebuild } from '../ir/rebuild.ts';
import { leafValue, makersFrom, nodesBehind, nodeValue, rootsOf, ValueMap } from '../ir/value.ts';

export type Made = Extract<Leaf, { kind: 'made' }>;

/** A graph in two: `once` makes what follows from the weights alone, `each` reads it from the store. */
export interface Halves {
  readonly once: Graph;
  readonly each: Graph;
  readonly made: readonly Made[];
}

/**
 * For graphs that run often while weights stay as they are. Ops take their weights in the form that their records say is worth preparing, and what no
 * input has a part in is made once. It must be made again when weights change.
 */
export function splitOnce(graph: Graph): Halves {
  const updated = new Set(graph.updates.map((u) => u.leaf));
  const isWeight = (leaf: Leaf): boolean => (leaf.kind === 'param' || leaf.kind === 'fixed') && !updated.has(leaf);
  const whole = withPrepared(graph, isWeight);
  const makers = makersFrom(whole, isWeight);
  const nameOf = naming();
  const made = new Map<string, { readonly leaf: Made; readonly value: Value }>();
  const leafOf = (value: Value): Made => {
    const name = nameOf(value);
    let known = made.get(name);
    if (!known) made.set(name, (known = { leaf: { kind: 'made', name, type: value.type }, value }));
    return known.leaf;
  };
  const wanted = wantedOf(whole, makers);
  const each = rebuild(whole, (_, node) =>
    wanted.has(node) ? node.types.map((_, i) => leafValue(leafOf(nodeValue(node, i)))) : null,
  );
  const all = [...made.values()];
  const leaves = all.map((m) => m.leaf);
  const nodes = nodesBehind(all.map((m) => m.value));
  return {
    once: { leaves: [...graph.leaves, ...leaves], nodes, outputs: [], updates: all, losses: [] },
    each: { ...each, leaves: [...graph.leaves, ...leaves] },
    made: leaves,
  };
}

function withPrepared(graph: Graph, isWeight: (leaf: Leaf) => boolean): Graph {
  const makers = makersFrom(graph, isWeight);
  const stays = ({ source }: Value): boolean => (source.kind === 'node' ? makers.has(source) : isWeight(source));
  return rebuild(graph, (b, node, inputs) => {
    const { prepared } = node.op;
    const input = prepared && node.inputs[prepared.input];
    return input && stays(input) ? prepared.apply(b, inputs, node.attrs) : null;
  });
}

// The makers that others read, or that are roots. Another shape of a value is made where it is read.
function wantedOf(graph: Graph, makers: ReadonlySet<Node>): ReadonlySet<Node> {
  const wanted = new Set<Node>();
  const want = (value: Value | null): void => {
    const source = value?.source;
    if (source?.kind !== 'node' || !makers.has(source)) return;
    if (source.op.alias) want(source.inputs[0]!);
    else wanted.add(source);
  };
  for (const node of graph.nodes) if (!makers.has(node)) node.inputs.forEach(want);
  rootsOf(graph).forEach(want);
  return wanted;
}

// What a value is, as the name of a tensor: the layer's path, and a hash of all that it follows from.
function naming(): (value: Value) => string {
  const hashes = new ValueMap<string>();
  const hashOf = (value: Value): string => {
    const { source, index } = value;
    if (source.kind !== 'node') return source.name;
    let hash = hashes.get(value);
    if (hash === undefined) {
      const text = [source.op.name, ...source.inputs.map((v) => v && hashOf(v)), attrsKey(source.attrs), index];
      hash = createHash('sha256').update(JSON.stringify(text)).digest('hex').slice(0, 24);
      hashes.set(value, hash);
    }
    return hash;
  };
  return (value) => `${value.source.kind === 'node' ? value.source.path : ''}#${hashOf(value)}`;
}

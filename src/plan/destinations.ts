import { sameType } from '../base/tensor-type.ts';
import type { Graph, Leaf, Node, Value } from '../ir/graph.ts';
import type { OpDef } from '../ir/op.ts';
import { nodesBehind, rootsOf, sameValue, ValueMap } from '../ir/value.ts';

/** Where a value must lie because somebody outside looks for it there. */
export type Destination =
  { readonly kind: 'store'; readonly leaf: Leaf } | { readonly kind: 'output'; readonly index: number };

/** The graph's steps, not yet ordered, with everything that decides their order and where their results lie. */
export interface Work {
  readonly nodes: readonly Node[];
  /** By the value that owns the memory. */
  readonly destinations: ValueMap<Destination>;
  readonly readers: ValueMap<Set<Node>>;
  /** For each node, those that must come before it though it uses nothing of theirs: they read what it overwrites. */
  readonly before: ReadonlyMap<Node, ReadonlySet<Node>>;
}

/** The value whose memory this one is: itself, or what it is another shape of. */
export function ownerOf(value: Value): Value {
  let v = value;
  while (v.source.kind === 'node' && v.source.op.alias) {
    const input = v.source.inputs[0];
    if (!input) throw new Error(`bug: ${v.source.op.name} is another shape of nothing`);
    v = input;
  }
  return v;
}

/**
 * Gives every output and update its place. A value is computed straight into its place where nothing else wants it there and, for a leaf of
 * the store, every reader of the old value can come first; otherwise it is copied. `copy` is the affine op.
 */
export function placeRoots(graph: Graph, copy: OpDef): Work {
  const work = newWork(graph, copy);
  const places: { readonly leaf: Leaf; value: Value }[] = [];
  for (const { leaf, value } of graph.updates)
    if (!isLeaf(ownerOf(value), leaf)) places.push({ leaf, value: work.claim(value, { kind: 'store', leaf }) });
  graph.outputs.forEach((output, index) => work.claim(output.value, { kind: 'output', index }));
  for (const place of places) work.writeAfterReaders(place.leaf, place.value);
  return work;
}

const isLeaf = (value: Value, leaf: Leaf): boolean => value.source === leaf;

interface WorkInProgress extends Work {
  /** Gives the memory of a value a destination, of a copy of it where it cannot have one; returns the memory's owner. */
  claim(value: Value, destination: Destination): Value;
  /** Makes the node of `value` come after all that read the old value of `leaf`; copies where that cannot be. */
  writeAfterReaders(leaf: Leaf, value: Value): void;
}

function newWork(graph: Graph, copy: OpDef): WorkInProgress {
  // Losses are no roots of a plan.
  const nodes = nodesBehind(rootsOf({ ...graph, losses: [] })).filter((n) => !n.op.alias);
  const readers = new ValueMap<Set<Node>>();
  const destinations = new ValueMap<Destination>();
  const before = new Map<Node, Set<Node>>(),
    after = new Map<Node, Set<Node>>();
  let nextId = graph.nodes.reduce((id, n) => Math.max(id, n.id + 1), 0);

  const read = (node: Node): void => {
    for (const input of node.inputs) if (input) entry(readers, ownerOf(input)).add(node);
  };
  const copied = (value: Value): Value => {
    if (value.type.dtype !== 'f32') throw new Error(`bug: a plan cannot copy ${value.type.dtype}`);
    // A shift of -0 keeps every number, also the sign of zero.
    const attrs = { scale: 1, shift: -0 };
    const path = value.source.kind === 'node' ? value.source.path : '';
    const node: Node = { kind: 'node', id: nextId++, op: copy, inputs: [value], attrs, types: [value.type], path };
    nodes.push(node);
    read(node);
    return { source: node, index: 0, type: value.type };
  };
  const reaches = (from: Node, targets: ReadonlySet<Node>): boolean => {
    const seen = new Set<Node>([from]);
    const stack = [from];
    for (let node = stack.pop(); node; node = stack.pop()) {
      const next = [...(after.get(node) ?? [])];
      node.types.forEach((type, index) => next.push(...(readers.get({ source: node, index, type }) ?? [])));
      for (const n of next) {
        if (targets.has(n)) return true;
        if (seen.has(n)) continue;
        seen.add(n);
        stack.push(n);
      }
    }
    return false;
  };
  for (const node of nodes) read(node);

  return {
    nodes,
    destinations,
    readers,
    before,
    claim(value, destination) {
      let owner = ownerOf(value);
      if (owner.source.kind !== 'node' || destinations.has(owner)) owner = copied(value);
      destinations.set(owner, destination);
      return owner;
    },
    writeAfterReaders(leaf, value) {
      const node = value.source as Node;
      const old: Value = { source: leaf, index: 0, type: leaf.type };
      const others = new Set(readers.get(old) ?? []);
      others.delete(node);
      let writer = node;
      if (!mayOverwrite(node, value, old) || reaches(node, others)) {
        const again = copied(value);
        destinations.delete(value);
        destinations.set(again, { kind: 'store', leaf });
        writer = again.source as Node;
      }
      for (const other of others) {
        if (other === writer) continue;
        entry(before, writer).add(other);
        entry(after, other).add(writer);
      }
    },
  };
}

// A node that reads the leaf may write there only if its op says so of that very input, and reads it nowhere else.
function mayOverwrite(node: Node, value: Value, old: Value): boolean {
  const places = node.inputs.flatMap((v, i) => (v && sameValue(ownerOf(v), old) ? [i] : []));
  if (places.length === 0) return true;
  return (
    places.length === 1 &&
    node.op.inPlace?.[value.index] === places[0] &&
    sameType(value.type, node.inputs[places[0]!]!.type)
  );
}

function entry<K, T>(map: { get(key: K): Set<T> | undefined; set(key: K, value: Set<T>): unknown }, key: K): Set<T> {
  let set = map.get(key);
  if (!set) map.set(key, (set = new Set()));
  return set;
}

import type { Graph, Node, Output, Value } from '../ir/graph.ts';
import { graphBuilder } from '../ir/graph-builder.ts';
import { nodesBehind, sameValue, ValueMap } from '../ir/value.ts';

/** The two halves of a joint graph; the second reads by name what the first leaves under that name. */
export interface Halves {
  readonly forward: Graph;
  readonly backward: Graph;
  /** Names of the forward outputs that the backward half reads: some of the given ones, and `kept.N`. */
  readonly kept: readonly string[];
}

/**
 * Cuts the graph of a kernel and its gradients (its outputs from `visible` on) in two. What the gradients read of the forward pass is kept; views
 * are made again.
 */
export function split(joint: Graph, visible: number): Halves {
  const [results, gradients] = [joint.outputs.slice(0, visible), joint.outputs.slice(visible)];
  const before = new Set(nodesBehind(results.map((o) => o.value)));
  const names = new ValueMap<string>();
  const kept: Output[] = [];
  for (const value of crossing(
    gradients.map((o) => o.value),
    before,
  )) {
    const result = results.find((o) => sameValue(ownerOf(o.value), value));
    const name = result?.name ?? `kept.${kept.length}`;
    names.set(value, name);
    if (!result) kept.push({ name, value, perStep: false });
  }
  const forward = [...results, ...kept];
  return {
    forward: { ...joint, outputs: forward, nodes: nodesBehind(forward.map((o) => o.value)) },
    backward: rebuiltFrom(gradients, names),
    kept: [...names.entries()].map(([, name]) => name),
  };
}

function ownerOf(value: Value): Value {
  const { source } = value;
  return source.kind === 'node' && source.op.alias ? ownerOf(source.inputs[0]!) : value;
}

// The first values of the forward pass that are met on the way back from the gradients.
function crossing(gradients: readonly Value[], before: ReadonlySet<Node>): readonly Value[] {
  const found = new ValueMap<true>();
  const seen = new Set<Node>();
  const stack = [...gradients].reverse();
  for (let value = stack.pop(); value; value = stack.pop()) {
    const { source } = value;
    if (source.kind !== 'node') continue;
    if (before.has(source) && !source.op.alias) {
      found.set(value, true);
      continue;
    }
    if (seen.has(source)) continue;
    seen.add(source);
    for (const input of source.inputs) if (input) stack.push(input);
  }
  return [...found.entries()].map(([value]) => value);
}

function rebuiltFrom(outputs: readonly Output[], names: ValueMap<string>): Graph {
  const b = graphBuilder({ mode: 'train', seed: 0 });
  const renewed = new ValueMap<Value>();
  for (const [value, name] of names.entries()) renewed.set(value, b.input(name, value.type));
  const renew = (value: Value): Value => {
    const known = renewed.get(value);
    if (known) return known;
    const { source } = value;
    return source.kind === 'node' ? value : b.input(source.name, source.type);
  };
  const cut = new Set([...names.entries()].map(([value]) => value.source));
  const needed = nodesBetween(
    outputs.map((o) => o.value),
    cut,
  );
  for (const node of needed) {
    const made = b.apply(
      node.op,
      node.inputs.map((v) => v && renew(v)),
      node.attrs,
    );
    made.forEach((value, index) => renewed.set({ source: node, index, type: node.types[index]! }, value));
  }
  return b.finish(outputs.map((o) => ({ name: o.name, value: renew(o.value) })));
}

function nodesBetween(values: readonly Value[], cut: ReadonlySet<Value['source']>): readonly Node[] {
  const found = new Set<Node>();
  const stack = [...values];
  for (let value = stack.pop(); value; value = stack.pop()) {
    const { source } = value;
    if (source.kind !== 'node' || cut.has(source) || found.has(source)) continue;
    found.add(source);
    for (const input of source.inputs) if (input) stack.push(input);
  }
  return [...found].sort((a, b) => a.id - b.id);
}

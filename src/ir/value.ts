import type { TensorType } from '../base/tensor-type.ts';
import type { Graph, Leaf, Node, Value } from './graph.ts';

export const leafValue = (leaf: Leaf): Value => ({ source: leaf, index: 0, type: leaf.type });
export const nodeValue = (node: Node, index: number): Value => ({ source: node, index, type: outputType(node, index) });

function outputType(node: Node, index: number): TensorType {
  const type = node.types[index];
  if (!type) throw new Error(`bug: ${node.op.name} has no output ${index}`);
  return type;
}

export const sameValue = (a: Value | null, b: Value | null): boolean =>
  a === b || (a !== null && b !== null && a.source === b.source && a.index === b.index);

/** A map by what a value is (source and index), not by which object says it. Iterates in order of insertion. */
export class ValueMap<T> {
  private readonly bySource = new Map<Node | Leaf, Map<number, { readonly value: Value; item: T }>>();

  get(value: Value): T | undefined {
    return this.bySource.get(value.source)?.get(value.index)?.item;
  }
  has(value: Value): boolean {
    return this.bySource.get(value.source)?.has(value.index) ?? false;
  }
  set(value: Value, item: T): this {
    let outputs = this.bySource.get(value.source);
    if (!outputs) this.bySource.set(value.source, (outputs = new Map<number, { readonly value: Value; item: T }>()));
    const entry = outputs.get(value.index);
    if (entry) entry.item = item;
    else outputs.set(value.index, { value, item });
    return this;
  }
  delete(value: Value): void {
    this.bySource.get(value.source)?.delete(value.index);
  }
  *entries(): Generator<readonly [Value, T]> {
    for (const outputs of this.bySource.values()) for (const { value, item } of outputs.values()) yield [value, item];
  }
}

/** Every value that a graph gives away, in a fixed order. */
export const rootsOf = (graph: Pick<Graph, 'outputs' | 'updates' | 'losses'>): readonly Value[] => [
  ...graph.outputs.map((o) => o.value),
  ...graph.updates.map((u) => u.value),
  ...graph.losses,
];

/** The nodes that the values follow from, in order of their ids (an order in which inputs come first within one builder). */
export function nodesBehind(values: readonly Value[]): readonly Node[] {
  const found = new Set<Node>();
  const stack = values.map((v) => v.source);
  for (let source = stack.pop(); source; source = stack.pop()) {
    if (source.kind !== 'node' || found.has(source)) continue;
    found.add(source);
    for (const input of source.inputs) if (input) stack.push(input.source);
  }
  return [...found].sort((a, b) => a.id - b.id);
}

/** The nodes that make weights: all that they read follows from parameters and fixed tensors. */
export const weightMakers = (graph: Pick<Graph, 'nodes'>): ReadonlySet<Node> =>
  makersFrom(graph, ({ kind }) => kind === 'param' || kind === 'fixed');

/** The nodes that have inputs, all of which follow from such leaves. */
export function makersFrom(graph: Pick<Graph, 'nodes'>, isSource: (leaf: Leaf) => boolean): ReadonlySet<Node> {
  const found = new Set<Node>();
  const follows = ({ source }: Value): boolean => (source.kind === 'node' ? found.has(source) : isSource(source));
  for (const node of graph.nodes) {
    if (node.inputs.length > 0 && node.inputs.every((v) => v === null || follows(v))) found.add(node);
  }
  return found;
}

import { numel, showType } from '../base/tensor-type.ts';
import { attrsKey } from './attrs.ts';
import type { Graph, Leaf, Node, Value } from './graph.ts';
import { graphBuilder } from './graph-builder.ts';
import type { GradContext, OpDef } from './op.ts';
import { lower } from './rebuild.ts';
import { leafValue, rootsOf, ValueMap, weightMakers } from './value.ts';

/** What a gradient rule reads of one application, and which inputs it gives a gradient. */
interface Reads {
  readonly inputs: readonly number[];
  readonly outputs: readonly number[];
  readonly flows: readonly boolean[];
}

/** Values that the backward pass of a forward graph reads; views of one memory are one value, the one that owns it. */
export interface Kept {
  has(value: Value): boolean;
  /** Numbers kept, leaves left out: parameters and inputs have memory of their own. */
  readonly size: number;
  /** Those of them that belong to weights: as many for any batch. */
  readonly constant: number;
}

/**
 * Runs the gradient rules of a forward graph without building anything, and notes what they read. Gradients are wanted of
 * parameters and of f32 inputs, since what stands before a layer may have parameters.
 */
export function keptForBackward(forward: Graph): Kept {
  const graph = lower(forward, (node) => !node.op.grad && !node.op.stopsGradient);
  const wanted = dependents(graph);
  const reached = new ValueMap<true>();
  const kept = new ValueMap<true>();
  for (const root of rootsOf({ ...graph, updates: [] })) reached.set(root, true);
  for (const node of [...graph.nodes].reverse()) {
    const flowing = node.types.map((type, index) => reached.has({ source: node, index, type }));
    if (node.op.stopsGradient || !flowing.includes(true)) continue;
    const wants = node.inputs.map((v) => v !== null && wanted.has(v));
    const reads = readsOf(node, flowing, wants);
    for (const i of reads.inputs) kept.set(owner(node.inputs[i]!), true);
    for (const i of reads.outputs) kept.set(owner({ source: node, index: i, type: node.types[i]! }), true);
    node.inputs.forEach((v, i) => v && reads.flows[i] && reached.set(v, true));
  }
  const makers = weightMakers(graph);
  let size = 0,
    constant = 0;
  for (const [{ source, type }] of kept.entries()) {
    if (source.kind !== 'node') continue;
    size += numel(type.shape);
    if (makers.has(source)) constant += numel(type.shape);
  }
  // Roots of the lowered graph are other values than the caller's: ask by position.
  const twin = new ValueMap<Value>();
  rootsOf(forward).forEach((root, i) => twin.set(root, rootsOf(graph)[i]!));
  return { size, constant, has: (value) => kept.has(owner(twin.get(value) ?? value)) };
}

/** The value whose memory this one is. */
function owner(value: Value): Value {
  let v = value;
  while (v.source.kind === 'node' && v.source.op.alias) v = v.source.inputs[0]!;
  return v;
}

// Values whose gradient may be wanted: those that follow from a parameter or an f32 input without an op that stops gradients.
function dependents(graph: Graph): ValueMap<true> {
  const wanted = new ValueMap<true>();
  const starts = (leaf: Leaf): boolean => leaf.kind === 'param' || (leaf.kind === 'input' && leaf.type.dtype === 'f32');
  for (const leaf of graph.leaves) if (starts(leaf)) wanted.set(leafValue(leaf), true);
  for (const node of graph.nodes) {
    if (node.op.stopsGradient || !node.inputs.some((v) => v && wanted.has(v))) continue;
    node.types.forEach((type, index) => {
      if (type.dtype === 'f32') wanted.set({ source: node, index, type }, true);
    });
  }
  return wanted;
}

const memo = new WeakMap<OpDef, Map<string, Reads>>();
const MEMO_LIMIT = 4096;

function readsOf(node: Node, flowing: readonly boolean[], wants: readonly boolean[]): Reads {
  let ofOp = memo.get(node.op);
  if (!ofOp || ofOp.size > MEMO_LIMIT) memo.set(node.op, (ofOp = new Map<string, Reads>()));
  const inputs = node.inputs.map((v) => (v ? showType(v.type) : '-')).join();
  const key = `${inputs}/${attrsKey(node.attrs)}/${flowing.join()}/${wants.join()}`;
  let reads = ofOp.get(key);
  if (!reads) ofOp.set(key, (reads = record(node, flowing, wants)));
  return reads;
}

function record(node: Node, flowing: readonly boolean[], wants: readonly boolean[]): Reads {
  const inputs = new Set<number>(),
    outputs = new Set<number>();
  const stranger = (type: Value['type']): Value => leafValue({ kind: 'input', name: 'd', type, perStep: false });
  const context: GradContext = {
    builder: graphBuilder({ mode: 'train', seed: 0 }),
    attrs: node.attrs,
    inputCount: node.inputs.length,
    hasInput: (i) => node.inputs[i] != null,
    input(i) {
      const value = node.inputs[i];
      if (!value) throw new Error(`bug: the gradient of ${node.op.name} reads input ${i}, which is absent`);
      inputs.add(i);
      return stranger(value.type);
    },
    optional(i) {
      const value = node.inputs[i];
      if (value) inputs.add(i);
      return value ? stranger(value.type) : null;
    },
    output(i) {
      outputs.add(i);
      return stranger(node.types[i]!);
    },
    inputType: (i) => node.inputs[i]!.type,
    outputType: (i) => node.types[i]!,
    dOutput: (i) => (flowing[i] ? stranger(node.types[i]!) : null),
    wants: (i) => wants[i] ?? false,
  };
  const gradients = node.op.grad!(context);
  return {
    inputs: [...inputs],
    outputs: [...outputs],
    flows: node.inputs.map((_, i) => wants[i]! && gradients[i] != null),
  };
}

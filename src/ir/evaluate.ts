import { numel, sameShape, showType } from '../base/tensor-type.ts';
import type { TensorType } from '../base/tensor-type.ts';
import type { Graph, Leaf, Node, Value } from './graph.ts';
import { graphBuilder } from './graph-builder.ts';
import type { Attrs, NdArray, OpDef } from './op.ts';
import { ValueMap } from './value.ts';

export interface Evaluation {
  readonly outputs: ReadonlyMap<string, NdArray>;
  /** Next values of leaves of the store, by name. */
  readonly updates: ReadonlyMap<string, NdArray>;
  readonly losses: readonly NdArray[];
  /** Any value of the graph. */
  of(value: Value): NdArray;
}

/** The slow clear twin of rewrite, plan and kernels: every node by its reference, in float64. */
export function evaluate(graph: Graph, valueOf: (leaf: Leaf) => NdArray): Evaluation {
  const values = new ValueMap<NdArray>();
  const of = (value: Value): NdArray => {
    let array = values.get(value);
    if (!array) {
      if (value.source.kind === 'node') throw new Error('bug: a node comes after one that uses it');
      array = checked(valueOf(value.source), value.type, value.source.name);
      values.set(value, array);
    }
    return array;
  };
  for (const node of graph.nodes) {
    const inputs = node.inputs.map((v) => v && of(v));
    const outputs = evaluateNode(node, inputs);
    outputs.forEach((array, index) => values.set({ source: node, index, type: node.types[index]! }, array));
  }
  return {
    outputs: new Map(graph.outputs.map((o) => [o.name, of(o.value)])),
    updates: new Map(graph.updates.map((u) => [u.leaf.name, of(u.value)])),
    losses: graph.losses.map(of),
    of,
  };
}

const evaluateNode = (node: Node, inputs: readonly (NdArray | null)[]): readonly NdArray[] =>
  evaluateOp(
    node.op,
    inputs,
    node.inputs.map((v) => v && v.type),
    node.attrs,
    node.types,
  );

/** One application by its reference, or by its decomposition where it has none. */
export function evaluateOp(
  op: OpDef,
  inputs: readonly (NdArray | null)[],
  types: readonly (TensorType | null)[],
  attrs: Attrs,
  outputs: readonly TensorType[],
): readonly NdArray[] {
  const results = op.reference ? op.reference(inputs, attrs, outputs) : evaluateDecomposed(op, inputs, types, attrs);
  if (results.length !== outputs.length) throw new Error(`bug: ${op.name} gives ${results.length} outputs`);
  return results.map((array, i) => checked(array, outputs[i]!, op.name));
}

/** One application by its decomposition. */
export function evaluateDecomposed(
  op: OpDef,
  inputs: readonly (NdArray | null)[],
  types: readonly (TensorType | null)[],
  attrs: Attrs,
): readonly NdArray[] {
  if (!op.decompose) throw new Error(`bug: ${op.name} has neither reference nor decompose`);
  const b = graphBuilder({ mode: 'train', seed: 0 });
  const given = types.map((type, i) => type && b.input(String(i), type));
  const outputs = op.decompose(b, given, attrs).map((value, i) => ({ name: String(i), value }));
  const evaluation = evaluate(b.finish(outputs), (leaf) => inputs[Number(leaf.name)]!);
  return outputs.map((o) => evaluation.of(o.value));
}

function checked(array: NdArray, type: TensorType, name: string): NdArray {
  if (!sameShape(array.shape, type.shape) || array.data.length !== numel(type.shape))
    throw new Error(
      `bug: ${name} is ${showType(type)}, but its value is [${array.shape.join(', ')}] of ${array.data.length}`,
    );
  return array;
}

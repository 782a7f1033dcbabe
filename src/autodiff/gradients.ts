import { sameType, showType } from '../base/tensor-type.ts';
import type { Builder } from '../ir/builder.ts';
import type { Node, Value } from '../ir/graph.ts';
import type { GradContext, OpDef } from '../ir/op.ts';
import { ValueMap } from '../ir/value.ts';

/** The only ops that differentiation makes of itself: sums of several uses, and the ones at the start. */
export interface GradientOps {
  /** (a, b) -> a + b */
  readonly add: OpDef;
  /** () -> a tensor of one value: attributes `dims`, `value` */
  readonly fill: OpDef;
}

/**
 * Gradients of a loss (of the sum of its elements) with respect to values it may follow from: null where it does not. Adds nodes to the builder,
 * under the path of the node each belongs to; call it outside of any scope. Several uses are summed in the reverse order of their making.
 */
export function gradients(
  builder: Builder,
  loss: Value,
  wrt: readonly Value[],
  ops: GradientOps,
): readonly (Value | null)[] {
  if (loss.type.dtype !== 'f32') throw new Error(`bug: a loss is f32, not ${showType(loss.type)}`);
  const ones = builder.one(ops.fill, [], { dims: loss.type.shape, value: 1 });
  return pullBack(builder, [loss], [ones], wrt, ops);
}

/** Vector-Jacobian product: what flows into the roots, pulled back to `wrt`. With `cut`, what stands behind `wrt` does not count: they are independent. */
export function pullBack(
  builder: Builder,
  roots: readonly Value[],
  dRoots: readonly (Value | null)[],
  wrt: readonly Value[],
  ops: GradientOps,
  cut = false,
): readonly (Value | null)[] {
  const wanted = new ValueMap<true>();
  for (const value of wrt) if (value.type.dtype === 'f32') wanted.set(value, true);
  const nodes = nodesBetween(roots, cut ? wanted : new ValueMap());
  for (const node of nodes) {
    if (node.op.stopsGradient || !node.inputs.some((v) => v && wanted.has(v))) continue;
    node.types.forEach((type, index) => {
      if (type.dtype === 'f32') wanted.set({ source: node, index, type }, true);
    });
  }
  const sums = gradientSums(builder, ops.add);
  roots.forEach((root, i) => sums.add(root, dRoots[i] ?? null));
  for (const node of [...nodes].reverse()) {
    if (!node.types.some((type, index) => wanted.has({ source: node, index, type }))) continue;
    const dOutputs = node.types.map((type, index) => sums.of({ source: node, index, type }));
    if (dOutputs.every((d) => d === null)) continue;
    const wants = node.inputs.map((v) => v !== null && wanted.has(v));
    const dInputs = builder.scope(node.path, () => nodeGradients(builder, node, dOutputs, wants, ops));
    node.inputs.forEach((v, i) => v && wants[i] && sums.add(v, dInputs[i] ?? null));
  }
  return wrt.map((value) => sums.of(value));
}

// In order of making; not through the values at which to cut.
function nodesBetween(roots: readonly Value[], cutAt: ValueMap<true>): readonly Node[] {
  const found = new Set<Node>();
  const stack = [...roots];
  for (let value = stack.pop(); value; value = stack.pop()) {
    const { source } = value;
    if (source.kind !== 'node' || found.has(source) || cutAt.has(value)) continue;
    found.add(source);
    for (const input of source.inputs) if (input) stack.push(input);
  }
  return [...found].sort((a, b) => a.id - b.id);
}

interface GradientSums {
  add(value: Value, gradient: Value | null): void;
  /** The sum so far: null where nothing flows. */
  of(value: Value): Value | null;
}

function gradientSums(builder: Builder, add: OpDef): GradientSums {
  const sums = new ValueMap<Value>();
  return {
    add(value, gradient) {
      if (!gradient) return;
      if (!sameType(value.type, gradient.type))
        throw new Error(`bug: a gradient of ${showType(value.type)} came as ${showType(gradient.type)}`);
      const old = sums.get(value);
      sums.set(value, old ? builder.one(add, [old, gradient]) : gradient);
    },
    of: (value) => sums.get(value) ?? null,
  };
}

function nodeGradients(
  builder: Builder,
  node: Node,
  dOutputs: readonly (Value | null)[],
  wants: readonly boolean[],
  ops: GradientOps,
): readonly (Value | null)[] {
  if (node.op.grad) return node.op.grad(gradContext(builder, node, dOutputs, wants));
  if (!node.op.decompose) throw new Error(`bug: ${node.op.name} has neither grad nor decompose`);
  // A value that is given twice gets its whole gradient at its first place.
  const firsts = node.inputs.map((v, i) =>
    v && wants[i] && node.inputs.findIndex((w) => w?.source === v.source && w.index === v.index) === i ? v : null,
  );
  const outputs = node.op.decompose(builder, node.inputs, node.attrs);
  const wrt = firsts.filter((v) => v !== null);
  const found = pullBack(builder, outputs, dOutputs, wrt, ops, true);
  return firsts.map((v) => (v ? found[wrt.indexOf(v)]! : null));
}

function gradContext(
  builder: Builder,
  node: Node,
  dOutputs: readonly (Value | null)[],
  wants: readonly boolean[],
): GradContext {
  const input = (i: number): Value => {
    const value = node.inputs[i];
    if (!value) throw new Error(`bug: the gradient of ${node.op.name} reads input ${i}, which is absent`);
    return value;
  };
  return {
    builder,
    attrs: node.attrs,
    inputCount: node.inputs.length,
    hasInput: (i) => node.inputs[i] != null,
    input,
    optional: (i) => node.inputs[i] ?? null,
    output: (i) => ({ source: node, index: i, type: node.types[i]! }),
    inputType: (i) => input(i).type,
    outputType: (i) => node.types[i]!,
    dOutput: (i) => dOutputs[i] ?? null,
    wants: (i) => wants[i] ?? false,
  };
}

import { numel } from '../base/tensor-type.ts';
import type { Shape, TensorType } from '../base/tensor-type.ts';
import type { Builder } from './builder.ts';
import type { Graph, Leaf, Value } from './graph.ts';
import { graphBuilder } from './graph-builder.ts';
import { keptForBackward } from './kept.ts';
import type { Cost } from './op.ts';
import { weightMakers } from './value.ts';

export type FixedLeaf = Extract<Leaf, { kind: 'fixed' }>;

/** What a function over Builder makes of inputs of these types, and what that costs. */
export interface Measurement extends Cost {
  readonly outputs: readonly TensorType[];
  /** Trainable numbers, each path once. */
  readonly params: number;
  /** Kept but untrained numbers (running statistics). */
  readonly state: number;
  /** Numbers made here that the backward pass reads, each once; the inputs are left out. */
  readonly kept: number;
  /** Those of them that belong to weights: as many for any batch. */
  readonly keptConstant: number;
  /** Whether the backward pass reads input i, or output i (which then is in `kept`, unless it is an input). */
  readonly keptInputs: readonly boolean[];
  readonly keptOutputs: readonly boolean[];
  /** Shapes of the parameters and of the state by path. */
  readonly weights: ReadonlyMap<string, Shape>;
  readonly states: ReadonlyMap<string, Shape>;
  /** Tensors that are given. */
  readonly fixed: readonly FixedLeaf[];
}

/**
 * Builds twice and throws both graphs away: for training (parameters, state, kept values) and for inference (flops, macs). `inputs` have a batch
 * of 1, so costs are those of one example. Throws Unfit where the inputs do not fit.
 */
export function measure(
  inputs: readonly TensorType[],
  build: (b: Builder, inputs: readonly Value[]) => readonly Value[],
): Measurement {
  const make = (mode: 'train' | 'infer'): Graph => {
    const b = graphBuilder({ mode, seed: 0 });
    const given = inputs.map((type, i) => b.input(inputName(i), type));
    return b.finish(build(b, given).map((value, i) => ({ name: String(i), value })));
  };
  const forTraining = make('train');
  const kept = keptForBackward(forTraining);
  const shapes = (kind: Leaf['kind']): ReadonlyMap<string, Shape> =>
    new Map(forTraining.leaves.filter((l) => l.kind === kind).map((l) => [l.name, l.type.shape]));
  const weights = shapes('param'),
    states = shapes('state');
  const inputLeaf = (i: number): Leaf => forTraining.leaves.find((l) => l.kind === 'input' && l.name === inputName(i))!;
  return {
    ...costOf(make('infer')),
    outputs: forTraining.outputs.map((o) => o.value.type),
    params: total(weights),
    state: total(states),
    kept: kept.size,
    keptConstant: kept.constant,
    keptInputs: inputs.map((type, i) => kept.has({ source: inputLeaf(i), index: 0, type })),
    keptOutputs: forTraining.outputs.map((o) => kept.has(o.value)),
    weights,
    states,
    fixed: forTraining.leaves.filter((l) => l.kind === 'fixed'),
  };
}

const inputName = (i: number): string => `in${i}`;
const total = (shapes: ReadonlyMap<string, Shape>): number => [...shapes.values()].reduce((n, s) => n + numel(s), 0);

/** Declared costs summed over the nodes of a graph; making a weight costs nothing. */
export function costOf(graph: Graph): Cost {
  let flops = 0,
    macs = 0;
  const makers = weightMakers(graph);
  for (const node of graph.nodes) {
    if (makers.has(node)) continue;
    const cost = node.op.cost(
      node.inputs.map((v) => v && v.type),
      node.types,
      node.attrs,
    );
    flops += cost.flops;
    macs += cost.macs;
  }
  return { flops, macs };
}

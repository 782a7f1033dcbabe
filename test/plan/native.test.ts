import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { numel } from '../../src/base/tensor-type.ts';
import { evaluate } from '../../src/ir/evaluate.ts';
import type { Evaluation } from '../../src/ir/evaluate.ts';
import type { Graph, Leaf } from '../../src/ir/graph.ts';
import type { NdArray } from '../../src/ir/op.ts';
import { printGraph } from '../../src/ir/print.ts';
import { openStore, prepare } from '../../src/native/native.ts';
import { OPS } from '../../src/ops/index.ts';
import { makePlan } from '../../src/plan/make-plan.ts';
import { optimize } from '../../src/rewrite/rules/index.ts';
import { buildProgram, programs, randomValues } from '../ir/random-graph.ts';

const STEPS = 2;

const rounded = (array: NdArray): NdArray => ({ ...array, data: array.data.map(Math.fround) });

/** What the graph means, step after step: values by name, and the largest magnitude of anything on the way. */
function expectedOf(
  graph: Graph,
  given: (leaf: Leaf) => NdArray,
): { values: Map<string, Float64Array>; scale: number } {
  const store = new Map<string, NdArray>();
  const values = new Map<string, Float64Array>();
  let scale = 1;
  for (let s = 0; s < STEPS; s++) {
    const result = evaluate(graph, (leaf) => {
      if (leaf.kind !== 'input') return store.get(leaf.name) ?? given(leaf);
      const array = given(leaf);
      const size = numel(leaf.type.shape);
      return leaf.perStep ? { ...array, data: array.data.subarray(s * size, (s + 1) * size) } : array;
    });
    scale = Math.max(scale, largest(graph, result));
    for (const [name, value] of result.updates) store.set(name, value);
    for (const { name, perStep } of graph.outputs) {
      const { data } = result.outputs.get(name)!;
      if (!perStep) values.set(name, data);
      else values.set(name, Float64Array.of(...(values.get(name) ?? []), ...data));
    }
  }
  for (const [name, array] of store) values.set(name, array.data);
  return { values, scale };
}

function largest(graph: Graph, result: Evaluation): number {
  let scale = 0;
  for (const node of graph.nodes)
    node.types.forEach((type, index) => {
      for (const v of result.of({ source: node, index, type }).data)
        scale = Math.max(scale, Number.isNaN(v) ? Infinity : Math.abs(v));
    });
  return scale;
}

function runNative(graph: Graph, given: (leaf: Leaf) => NdArray): Map<string, Float32Array> {
  const plan = makePlan(graph, { ops: OPS });
  const store = openStore();
  for (const { name, leaf } of plan.store)
    store.write(name, 'f32', leaf.type.shape, Float32Array.from(given(leaf).data));
  const leaves = new Map(graph.leaves.map((leaf) => [leaf.name, leaf]));
  const externals = plan.externals.map((e) =>
    e.written
      ? new Float32Array(numel(e.type.shape) * (e.perStep ? STEPS : 1)).fill(NaN)
      : Float32Array.from(given(leaves.get(e.name)!).data),
  );
  const prepared = prepare(plan.bytes);
  prepared.runSync(store, externals, { steps: STEPS, threads: 2 });
  const values = new Map<string, Float32Array>();
  plan.externals.forEach((e, i) => e.written && values.set(e.name, externals[i]!));
  for (const s of plan.store) if (s.written) values.set(s.name, new Float32Array(store.read(s.name).data));
  prepared.close();
  void store.close();
  return values;
}

const native = suite('plans on the addon');

for (const [what, prepareGraph] of [
  ['as they are', (g: Graph) => g],
  ['optimised', optimize],
] as const)
  native(`random graphs, ${what}, give what they mean`, () => {
    fc.assert(
      fc.property(programs, (program) => {
        const meant = buildProgram(program);
        const values = randomValues(2, STEPS);
        const given = (leaf: Leaf): NdArray => rounded(values(leaf));
        const { values: expected, scale } = expectedOf(meant, given);
        fc.pre(scale < 1e5);
        const graph = prepareGraph(meant);
        for (const [name, found] of runNative(graph, given)) {
          const wrong = [...found].findIndex((v, i) => !(Math.abs(v - expected.get(name)![i]!) < 1e-4 * scale));
          const message = (): string => `${name}[${wrong}]: ${found[wrong]}, not ${expected.get(name)![wrong]}`;
          if (wrong >= 0) assert.unreachable(`${message()}\n${printGraph(graph)}`);
        }
      }),
      { numRuns: 150 },
    );
  });

native.run();

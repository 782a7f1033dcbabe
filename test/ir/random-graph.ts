import * as fc from 'fast-check';
import { Random } from '../../src/base/philox.ts';
import { f32, numel, sameType } from '../../src/base/tensor-type.ts';
import { Unfit } from '../../src/base/unfit.ts';
import { graphBuilder } from '../../src/ir/graph-builder.ts';
import type { GraphBuilder } from '../../src/ir/graph-builder.ts';
import type { Graph, Leaf, Value } from '../../src/ir/graph.ts';
import type { NdArray } from '../../src/ir/op.ts';
import { add, affine, gelu, mul, neg, relu, sub, tanh } from '../../src/ops/elementwise.ts';
import { linear } from '../../src/ops/linear.ts';
import { matmul } from '../../src/ops/matmul.ts';
import { layernorm } from '../../src/ops/norm.ts';
import { sgd } from '../../src/ops/optimizer.ts';
import { fill } from '../../src/ops/random.ts';
import { broadcastTo, sum } from '../../src/ops/reduce.ts';
import { concat, permutation, reshape, slice, transpose } from '../../src/ops/shape.ts';

/** A program of a random graph: each instruction picks an op and its arguments among the values so far; what does not fit is left out. */
export interface Program {
  readonly instructions: readonly (readonly [number, number, number])[];
  readonly outputs: readonly number[];
  readonly updates: readonly number[];
}

const pick = fc.nat(1000);
export const programs: fc.Arbitrary<Program> = fc.record({
  instructions: fc.array(fc.tuple(pick, pick, pick), { minLength: 8, maxLength: 40, size: 'max' }),
  outputs: fc.array(pick, { minLength: 1, maxLength: 4, size: 'max' }),
  updates: fc.array(pick, { maxLength: 6, size: 'max' }),
});

type Instruction = (b: GraphBuilder, x: Value, y: Value, pick: number) => readonly Value[];

const INSTRUCTIONS: readonly Instruction[] = [
  (b, x) => b.apply(relu, [x]),
  (b, x) => b.apply(tanh, [x]),
  (b, x) => b.apply(gelu, [x]),
  (b, x) => b.apply(neg, [x]),
  (b, x) => b.apply(affine, [x], { scale: 0.5, shift: -0.25 }),
  (b, x) => b.apply(affine, [x], { scale: 1, shift: 0 }),
  (b, x, y) => b.apply(add, [x, y]),
  (b, x, y) => b.apply(add, [y, x]),
  (b, x, y) => b.apply(mul, [x, y]),
  (b, x, y) => b.apply(sub, [x, y]),
  (b, x, y) => b.apply(matmul, [x, y], { transA: 0, transB: 1 }),
  (b, x, y, k) => b.apply(matmul, [x, y], { transA: k & 1, transB: (k >> 1) & 1 }),
  (b, x, y, k) => b.apply(linear, [x, y, null, null], { activation: k & 1 ? 'relu' : 'none' }),
  (b, x) => b.apply(reshape, [x], { dims: [numel(x.type.shape)] }),
  (b, x) => b.apply(reshape, [x], { dims: [...x.type.shape].reverse() }),
  (b, x) => b.apply(transpose, [x], { perm: permutation(...x.type.shape.map((_, i) => x.type.shape.length - 1 - i)) }),
  (b, x, _y, k) => b.apply(sum, [x], { axes: (k % 3) + 1 }),
  (b, x, y) => b.apply(broadcastTo, [x], { dims: y.type.shape }),
  (b, x) => b.apply(slice, [x], { axis: 0, start: 1, size: 1 }),
  (b, x, y) => b.apply(concat, [x, y], { axis: 0 }),
  (b, x, _y, k) => b.apply(fill, [], { dims: x.type.shape, value: k % 3 }),
  (b, x) => {
    const width = x.type.shape.at(-1) ?? 0;
    const one = b.one(fill, [], { dims: [width], value: 1 });
    return b.apply(layernorm, [x, one, one], { eps: 1e-3 });
  },
  (b, x, y) => {
    const rate = b.one(fill, [], { dims: [1], value: 0.1 });
    return b.apply(sgd, [x, y, x, rate], { momentum: 0.9, weightDecay: 0.1, nesterov: 0 });
  },
  (b, x, y) => {
    const rate = b.one(fill, [], { dims: [1], value: 0.1 });
    return b.apply(sgd, [x, y, y, rate], { momentum: 0.9, weightDecay: 0.1, nesterov: 1 });
  },
];

export function buildProgram(program: Program): Graph {
  const { builder, outputs } = buildOpen(program);
  return builder.finish(outputs.map((value, i) => ({ name: `y${i}`, value, perStep: i % 2 === 1 })));
}

/** The same, not finished: more may be built on it. */
export function buildOpen(program: Program): { readonly builder: GraphBuilder; readonly outputs: readonly Value[] } {
  const b = graphBuilder({ mode: 'train', seed: 0 });
  const stored = [f32(2, 3), f32(2, 3), f32(3, 2), f32(3), f32(1)].map((t, i) =>
    i % 2 === 0
      ? b.param(`p${i}`, t.shape, { kind: 'normal', std: 1 })
      : b.state(`s${i}`, t.shape, { kind: 'constant', value: 0 }),
  );
  const values: Value[] = [b.input('x', f32(2, 3)), b.input('t', f32(3, 2), true), ...stored];
  const at = (i: number): Value => values[i % values.length]!;
  for (const [op, i, j] of program.instructions) {
    // Often one of the newest, and the first second argument that fits.
    const x = i % 3 === 0 ? at(i) : at(values.length - 1 - (i % 5));
    const tries = values.map((_, n) => at(j + n));
    const made = firstThatFits(tries, (y) => INSTRUCTIONS[op % INSTRUCTIONS.length]!(b, x, y, i + j));
    if (made) values.push(...made);
  }
  program.updates.forEach((u, n) => {
    const leaf = stored[n % stored.length]!;
    const fitting = values.filter((v) => sameType(v.type, leaf.type));
    b.update(leaf, fitting[u % fitting.length]!);
  });
  return { builder: b, outputs: program.outputs.map(at) };
}

/** Values for the leaves of a graph, the same for the same seed and name; `scale` of a table is its steps. */
export function randomValues(seed: number, steps = 1): (leaf: Leaf) => NdArray {
  return (leaf) => {
    const random = new Random(seed, leaf.name);
    const size = numel(leaf.type.shape) * (leaf.kind === 'input' && leaf.perStep ? steps : 1);
    return { shape: leaf.type.shape, data: Float64Array.from({ length: size }, () => random.normal()) };
  };
}

export function largestDifference(a: NdArray, b: NdArray): number {
  let worst = a.data.length === b.data.length ? 0 : Infinity;
  a.data.forEach((v, i) => {
    const w = b.data[i]!;
    if (Object.is(v, w) || v === w) return;
    const difference = Math.abs(v - w) / Math.max(1, Math.abs(v), Math.abs(w));
    worst = Number.isNaN(difference) ? Infinity : Math.max(worst, difference);
  });
  return worst;
}

function firstThatFits<T, R>(tries: readonly T[], make: (candidate: T) => R): R | null {
  for (const candidate of tries) {
    try {
      return make(candidate);
    } catch (error) {
      if (!(error instanceof Unfit)) throw error;
    }
  }
  return null;
}

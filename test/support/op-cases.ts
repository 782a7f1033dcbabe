// The samples of ops as cases: inputs that are drawn, what the reference makes of them, and how near a kernel must come.
import { numel, showType } from '../../src/base/tensor-type.ts';
import type { TensorType } from '../../src/base/tensor-type.ts';
import { checkAttrs } from '../../src/ir/attrs.ts';
import { evaluateOp } from '../../src/ir/evaluate.ts';
import { inferTypes } from '../../src/ir/infer.ts';
import type { NdArray, OpDef, Sample } from '../../src/ir/op.ts';
import { conv, convAct, convInputGrad } from '../../src/ops/conv.ts';
import { moeFfnGrad } from '../../src/ops/moe-ffn.ts';
import { moeRouteGrad } from '../../src/ops/moe-route.ts';
import { kronConv, kronConvAct, kronConvGrad } from '../../src/ops/kron-conv.ts';
import { maxpoolGrad } from '../../src/ops/pool.ts';
import { randomNormal } from '../../src/ops/random.ts';
import { tuckerConv, tuckerConvGrad } from '../../src/ops/tucker-conv.ts';
import { drawInputs } from './draw.ts';
import type { NativeArray } from './run-op.ts';
import { accuracyOf, mismatch } from './tolerance.ts';

export const attrsOf = (op: OpDef, sample: Sample) => checkAttrs(op, sample.attrs ?? {});
export const typesOf = (op: OpDef, sample: Sample): readonly TensorType[] =>
  inferTypes(op, sample.inputs, attrsOf(op, sample));
export const elements = (sample: Sample): number => sample.inputs.reduce((n, t) => n + (t ? numel(t.shape) : 0), 0);

/** The sample in words, for messages. */
export const named = (op: OpDef, sample: Sample): string =>
  `${op.name}(${sample.inputs.map((t) => (t ? showType(t) : 'null')).join(', ')}) ${JSON.stringify(sample.attrs ?? {})}`;

export function expected(op: OpDef, sample: Sample, inputs: readonly (NdArray | null)[]): readonly NdArray[] {
  return evaluateOp(op, inputs, sample.inputs, attrsOf(op, sample), typesOf(op, sample));
}

// Where costs do not tell the roundings: Box-Muller takes logarithms of numbers near 1, windows overlap in some elements more than in others, some
// experts have more tokens than others and pass through two products, and gradients of gates are differences of near numbers.
const LOOSE: ReadonlyMap<OpDef, number> = new Map([
  [randomNormal, 10],
  [maxpoolGrad, 3],
  [convInputGrad, 2],
  [moeFfnGrad, 3],
  [moeRouteGrad, 2],
  // Winograd's transforms
  [conv, 2],
  [convAct, 2],
  [kronConv, 2],
  [kronConvAct, 2],
  [kronConvGrad, 2],
  // Several products, of whose roundings the last one's number does not tell.
  [tuckerConv, 5],
  [tuckerConvGrad, 5],
]);

export interface Case {
  readonly sample: Sample;
  readonly inputs: readonly (NdArray | null)[];
  readonly expected: readonly NdArray[];
}

export const casesOf = (op: OpDef): readonly Case[] =>
  op.samples.map((sample, seed) => {
    const inputs = drawInputs(op, sample, seed);
    return { sample, inputs, expected: expected(op, sample, inputs) };
  });

/** What is wrong with a kernel's outputs, or null. */
export function wrongIn(op: OpDef, { sample, expected }: Case, found: readonly NativeArray[]): string | null {
  const types = typesOf(op, sample);
  const cost = op.cost(sample.inputs, types, attrsOf(op, sample));
  for (const [i, array] of expected.entries()) {
    const wrong = mismatch(found[i]!, array, accuracyOf(cost, types[i]!), LOOSE.get(op));
    if (wrong !== null) return `${named(op, sample)} output ${i}: ${wrong}`;
  }
  return null;
}

export const bytesOf = (a: NativeArray): Buffer => Buffer.from(a.buffer, a.byteOffset, a.byteLength);

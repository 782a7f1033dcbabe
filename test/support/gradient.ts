import { gradients } from '../../src/autodiff/gradients.ts';
import { Random } from '../../src/base/philox.ts';
import { evaluate } from '../../src/ir/evaluate.ts';
import type { Graph, Value } from '../../src/ir/graph.ts';
import { graphBuilder } from '../../src/ir/graph-builder.ts';
import type { NdArray, OpDef, Sample } from '../../src/ir/op.ts';
import { add, mul } from '../../src/ops/elementwise.ts';
import { fill } from '../../src/ops/random.ts';
import { sum } from '../../src/ops/reduce.ts';
import { drawArray } from './draw.ts';

/** A scalar function of an op's inputs, its gradient as a graph, and the values of all leaves. */
export interface Scalar {
  readonly graph: Graph;
  readonly wrt: readonly Value[];
  readonly values: Map<string, NdArray>;
}

const names = (wrt: readonly Value[]): readonly string[] =>
  wrt.map((v) => (v.source.kind === 'node' ? 'node' : v.source.name));

/**
 * loss = Σ over outputs of <output, random weights>; `order` 2 differentiates <gradient, random weights> once more, so that the
 * gradients of gradient ops are tested too. Integer inputs are held fixed.
 */
export function scalarOf(op: OpDef, sample: Sample, inputs: readonly (NdArray | null)[], order: 1 | 2): Scalar | null {
  const b = graphBuilder({ mode: 'train', seed: 1 });
  const random = new Random('weights', op.name);
  const values = new Map<string, NdArray>();
  const given = sample.inputs.map((type, i) => {
    if (!type) return null;
    values.set(`x${i}`, inputs[i]!);
    return b.input(`x${i}`, type);
  });
  const weighed = (name: string, of: readonly (Value | null)[]): Value | null => {
    const parts = of.flatMap((value, i) => {
      if (!value || value.type.dtype !== 'f32') return [];
      values.set(`${name}${i}`, drawArray(value.type, 'normal', random));
      const product = b.one(mul, [value, b.input(`${name}${i}`, value.type)]);
      const rank = value.type.shape.length;
      return [b.one(sum, [product], { axes: 2 ** rank - 1 })];
    });
    return parts.length === 0 ? null : parts.reduce((x, y) => b.one(add, [x, y]));
  };
  const wrt = given.filter((v) => v !== null).filter((v) => v.type.dtype === 'f32');
  const loss = weighed('w', b.apply(op, given, sample.attrs ?? {}));
  if (!loss || wrt.length === 0) return null;
  const first = gradients(b, loss, wrt, { add, fill });
  const target = order === 1 ? loss : weighed('v', first);
  if (!target) return null;
  const found = order === 1 ? first : gradients(b, target, wrt, { add, fill });
  const outputs = [{ name: 'target', value: target }];
  found.forEach((value, i) => value && outputs.push({ name: names(wrt)[i]!, value }));
  return { graph: b.finish(outputs), wrt, values };
}

const targetOf = (s: Scalar): number =>
  evaluate(s.graph, (leaf) => s.values.get(leaf.name)!)
    .outputs.get('target')!
    .data.reduce((a, b) => a + b, 0);

/**
 * The largest difference between the gradient and central differences in float64, over up to `count` elements of each input,
 * relative to the size of the gradient.
 */
export function gradientError(s: Scalar, count: number): number {
  const { outputs } = evaluate(s.graph, (leaf) => s.values.get(leaf.name)!);
  const h = 1e-5;
  let worst = 0;
  let scale = 1;
  for (const name of names(s.wrt)) {
    const { data } = s.values.get(name)!;
    const slopes = outputs.get(name)?.data ?? new Float64Array(data.length);
    for (const slope of slopes) scale = Math.max(scale, Math.abs(slope));
    const stride = Math.max(1, Math.floor(data.length / count));
    for (let i = 0; i < data.length; i += stride) {
      const old = data[i]!;
      data[i] = old + h;
      const above = targetOf(s);
      data[i] = old - h;
      const below = targetOf(s);
      data[i] = old;
      worst = Math.max(worst, Math.abs((above - below) / (2 * h) - slopes[i]!));
    }
  }
  return worst / scale;
}

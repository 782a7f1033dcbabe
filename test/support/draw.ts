import { numel } from '../../src/base/tensor-type.ts';
import type { TensorType } from '../../src/base/tensor-type.ts';
import { Random } from '../../src/base/philox.ts';
import type { NdArray, OpDef, Sample } from '../../src/ir/op.ts';
import { maxpool, maxpoolGather, maxpoolGrad } from '../../src/ops/pool.ts';

type Fill = NonNullable<Sample['fill']>[number] | undefined;

/** Numbers of a type's dtype, drawn as a sample says. f32 values are exact in f32, so that kernels and references see the same. */
export function drawArray(type: TensorType, fill: Fill, random: Random): NdArray {
  const data = new Float64Array(numel(type.shape));
  const draw = drawer(type, fill, random);
  for (let i = 0; i < data.length; i++) data[i] = draw();
  return { shape: type.shape, data };
}

function drawer(type: TensorType, fill: Fill, random: Random): () => number {
  if (typeof fill === 'string' && fill.startsWith('below:')) {
    const limit = Number(fill.slice(6));
    return () => Math.floor(random.uniform() * limit);
  }
  if (type.dtype !== 'f32') return () => Math.floor(random.uniform() * (type.dtype === 'u8' ? 256 : 1000));
  if (fill === 'positive') return () => Math.fround(0.25 + 2 * random.uniform());
  if (fill === 'uniform') return () => Math.fround(random.uniform());
  return () => Math.fround(random.normal());
}

/** The inputs of one sample. Indices of pools are those that a maxpool gives: others mean nothing. */
export function drawInputs(op: OpDef, sample: Sample, seed: number): readonly (NdArray | null)[] {
  const random = new Random('test', op.name, seed);
  const drawn = sample.inputs.map((type, i) => type && drawArray(type, sample.fill?.[i], random));
  const plane = op === maxpoolGrad ? planeOf(sample) : op === maxpoolGather ? sample.inputs[0]! : null;
  if (!plane) return drawn;
  const pooled = maxpool.reference!([drawArray(plane, 'normal', random)], sample.attrs!, []);
  return [drawn[0]!, pooled[1]!];
}

function planeOf(sample: Sample): TensorType {
  const { shape } = sample.inputs[0]!;
  return { dtype: 'f32', shape: [shape[0]!, ...(sample.attrs!['size'] as readonly number[]), shape[4]!] };
}

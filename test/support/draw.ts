import { numel } from '../../src/base/tensor-type.ts';
import type { TensorType } from '../../src/base/tensor-type.ts';
import { Random } from '../../src/base/philox.ts';
import type { NdArray, OpDef, Sample } from '../../src/ir/op.ts';
import { attention, attentionGrad } from '../../src/ops/attention.ts';
import { batchnorm, batchnormGrad, layernorm, layernormGrad } from '../../src/ops/norm.ts';
import { maxpool, maxpoolGather, maxpoolGrad } from '../../src/ops/pool.ts';
import { s4d, s4dGrad, s4dResponse, s4dResponseGrad } from '../../src/ops/s4d.ts';
import { softmax, softmaxGrad } from '../../src/ops/softmax.ts';

type Fill = NonNullable<Sample['fill']>[number] | undefined;
type Arrays = readonly (NdArray | null)[];
type Fit = (drawn: Arrays, sample: Sample, random: Random) => Arrays;

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

/** The inputs of one sample. */
export function drawInputs(op: OpDef, sample: Sample, seed: number): Arrays {
  const random = new Random('test', op.name, seed);
  const drawn = sample.inputs.map((type, i) => type && drawArray(type, sample.fill?.[i], random));
  return FITTING.get(op)?.(drawn, sample, random) ?? drawn;
}

/** States that fade: Δ of about 1/7, modes [h, n, 2] with Re A < 0. */
const fading = ([logDt, a, ...rest]: Arrays): Arrays => [
  { ...logDt!, data: logDt!.data.map((x) => Math.fround(x - 2)) },
  { ...a!, data: a!.data.map((x, i) => (i % 2 === 0 ? -Math.abs(x) : x)) },
  ...rest,
];

/** Gradient ops read what a forward op gave: indices of a pool, statistics, probabilities. Anything else would mean nothing there. */
const FITTING: ReadonlyMap<OpDef, Fit> = new Map<OpDef, Fit>([
  [maxpoolGrad, ([dy], sample, random) => [dy!, pooled(planeOf(sample), sample, random)[1]!]],
  [maxpoolGather, ([x], sample, random) => [x!, pooled(sample.inputs[0]!, sample, random)[1]!]],
  [softmaxGrad, ([x, dy]) => [forward(softmax, [x!])[0]!, dy!]],
  [
    attentionGrad,
    ([q, k, v, , lse, dy, dLse, lengths], sample) => {
      const attrs = { ...sample.attrs, heads: lse!.shape[1]! };
      const [y, sums] = forward(attention, [q!, k!, v!, lengths!], attrs);
      return [q!, k!, v!, y!, sums!, dy!, dLse!, lengths!];
    },
  ],
  [
    layernormGrad,
    ([x, scale, , , dy, more]) => {
      const [, mean, rstd] = forward(layernorm, [x!, scale!, scale!], { eps: 0.125 });
      return [x!, scale!, mean!, rstd!, dy!, more!];
    },
  ],
  [
    batchnormGrad,
    ([x, scale, , , dy], sample) => {
      const [, mean, variance] = forward(batchnorm, [x!, scale!, scale!], sample.attrs);
      return [x!, scale!, mean!, variance!, dy!];
    },
  ],
  [s4dResponse, fading],
  [s4dResponseGrad, fading],
  [s4d, ([u, ...rest]) => [u!, ...fading(rest)]],
  [s4dGrad, ([u, ...rest]) => [u!, ...fading(rest)]],
]);

/** What the reference gives, rounded to f32. */
const forward = (op: OpDef, inputs: Arrays, attrs: NonNullable<Sample['attrs']> = {}): readonly NdArray[] =>
  op.reference!(inputs, attrs, []).map(({ shape, data }) => ({ shape, data: data.map(Math.fround) }));

const pooled = (plane: TensorType, sample: Sample, random: Random): readonly NdArray[] =>
  forward(maxpool, [drawArray(plane, 'normal', random)], sample.attrs);

function planeOf(sample: Sample): TensorType {
  const { shape } = sample.inputs[0]!;
  return { dtype: 'f32', shape: [shape[0]!, ...(sample.attrs!['size'] as readonly number[]), shape[4]!] };
}

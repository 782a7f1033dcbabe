import { Unfit } from '../base/unfit.ts';
import { showType } from '../base/tensor-type.ts';
import type { LayerDef } from '../ir/layer.ts';
import type { OpDef } from '../ir/op.ts';
import { gelu, geluTanh, relu, sigmoid, silu, tanh } from '../ops/elementwise.ts';
import { softmax as softmaxOp } from '../ops/softmax.ts';
import { transpose } from '../ops/shape.ts';
import { given } from './lib/args.ts';
import { featuresOf } from './lib/features.ts';

const activation = (name: string, doc: string, op: OpDef): LayerDef => ({
  kind: 'layer',
  name,
  doc,
  args: [],
  takes: 'one',
  weighted: false,
  widths: () => 'kept',
  build: (b, [x]) => b.one(op, [x!]),
});

const softmax: LayerDef = {
  kind: 'layer',
  name: 'softmax',
  doc: 'exp(x) / sum(exp(x)) over one axis, the last unless given.',
  args: [{ name: 'axis', doc: 'the axis that sums to 1', type: { kind: 'whole', min: 1 }, default: null }],
  takes: 'one',
  weighted: false,
  build: (b, [x], args) => {
    featuresOf('softmax', x!);
    const rank = x!.type.shape.length;
    const axis = (given(args, 'axis') as number | null) ?? rank - 1;
    if (axis >= rank)
      throw new Unfit(`softmax: there is no axis ${axis}`, `an axis below ${rank}`, showType(x!.type, true));
    if (axis === rank - 1) return b.one(softmaxOp, [x!]);
    const perm = Array.from({ length: 8 }, (_, i) => (i === axis ? rank - 1 : i === rank - 1 ? axis : i));
    return b.one(transpose, [b.one(softmaxOp, [b.one(transpose, [x!], { perm })])], { perm });
  },
};

export const activations: readonly LayerDef[] = [
  activation('relu', 'max(x, 0).', relu),
  activation('gelu', 'x Φ(x), the exact form by erf (Hendrycks and Gimpel 2016).', gelu),
  activation('gelu_tanh', 'The tanh approximation of gelu.', geluTanh),
  activation('silu', 'x sigmoid(x).', silu),
  activation('tanh', 'Hyperbolic tangent.', tanh),
  activation('sigmoid', '1 / (1 + exp(-x)).', sigmoid),
  softmax,
];

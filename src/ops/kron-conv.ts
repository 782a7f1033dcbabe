import { f32 } from '../base/tensor-type.ts';
import type { TensorType } from '../base/tensor-type.ts';
import { Unfit } from '../base/unfit.ts';
import { defineOp } from '../ir/define-op.ts';
import type { Attrs, Sample } from '../ir/op.ts';
import { ACTIVATIONS, activate, activationAttr, activationFlops } from './activation.ts';
import { conv, convInputGrad, convWeightGrad } from './conv.ts';
import { add } from './elementwise.ts';
import { kronAlgebraGrad, kronFactorGrad, kronWeight } from './kron-weight.ts';
import { nameOf } from './lib/attrs.ts';
import { CONV_CASES } from './lib/conv-cases.ts';
import { CONV_ATTRS, geometry, macs, shared, yShape } from './lib/convolution.ts';
import type { Geometry } from './lib/convolution.ts';
import { products } from './lib/cost.ts';
import { factorShape, groupsOf, kronMacs, kronOf, kronOfWeight, madeShape } from './lib/kron.ts';
import { checkSpatial } from './lib/spatial.ts';
import { dim, numelAt, shapeAt, typeAt } from './lib/types.ts';

type Types = readonly (TensorType | null)[];
const INPUTS = {
  x: 'f32[batch, d, h, w, channels]',
  a: 'f32[n, n, n]',
  f: 'f32[m, outs, kd, kh, kw, ins]',
};

/** The convolution that x, a and f make. Throws Unfit. */
function convOf(inputs: Types, attrs: Attrs): Geometry {
  const g = kronOf(shapeAt(inputs, 1), shapeAt(inputs, 2), groupsOf(attrs));
  return geometry(shapeAt(inputs, 0), madeShape(g), attrs);
}
const makingMacs = (inputs: Types, attrs: Attrs): number =>
  kronMacs(kronOf(shapeAt(inputs, 1), shapeAt(inputs, 2), groupsOf(attrs)));
const groups = (attrs: Attrs): Attrs => ({ groups: groupsOf(attrs) });

// The cases of conv whose channels some n from 4 down divides.
const CASES = CONV_CASES.flatMap((c) => {
  const count = groupsOf(c.attrs);
  const [outs, ins] = [dim(c.w.shape, 0) / count, dim(c.w.shape, 4)];
  const n = [4, 3, 2, 1].find((n) => outs % n === 0 && ins % n === 0)!;
  const f = f32(...factorShape(kronOfWeight(n, c.w.shape, count)));
  return [{ types: [c.x, f32(n, n, n), f], y: c.y, attrs: c.attrs, out: dim(c.w.shape, 0) }];
});

/** A convolution by W[γ, p, o, κ, q, c] = Σ_i a[i, p, q] · f[i, γ, o, κ, c] (Grassucci et al. 2022). */
export const kronConv = defineOp({
  name: 'kron_conv',
  doc: 'conv(x, W) with W = Σ a_i ⊗ f_i: a [n, n, n], f [n, O/n, …K, C/(g·n)]. W is no tensor of the plan.',
  inputs: INPUTS,
  outputs: { y: 'f32[batch, yd, yh, yw, out]' },
  attrs: CONV_ATTRS,
  infer: (inputs, attrs) => [f32(...yShape(convOf(inputs, attrs)))],
  grad: (g) => {
    const dy = g.dOutput(0);
    if (!dy) return [null, null, null];
    const [x, a, f] = [g.input(0), g.input(1), g.input(2)];
    if (g.wants(0)) {
      const all = g.builder.apply(kronConvGrad, [x, a, f, dy], g.attrs);
      return all.map((value, i) => (g.wants(i) ? value : null));
    }
    const dw = g.builder.one(convWeightGrad, [x, dy], { ...shared(g.attrs), kernel: f.type.shape.slice(2, 5) });
    return [
      null,
      g.wants(1) ? g.builder.one(kronAlgebraGrad, [f, dw], groups(g.attrs)) : null,
      g.wants(2) ? g.builder.one(kronFactorGrad, [a, dw], groups(g.attrs)) : null,
    ];
  },
  decompose: (b, [x, a, f], attrs) => [b.one(conv, [x!, b.one(kronWeight, [a!, f!], groups(attrs))], shared(attrs))],
  cost: (inputs, _outputs, attrs) => products(macs(convOf(inputs, attrs)) + makingMacs(inputs, attrs)),
  samples: CASES.map(({ types, attrs }) => ({ inputs: types, attrs })),
});

export const kronConvGrad = defineOp({
  name: 'kron_conv_grad',
  doc: 'The gradients of kron_conv in x, a and f, given that of y.',
  inputs: { ...INPUTS, dy: 'f32[batch, yd, yh, yw, out]' },
  outputs: {
    dx: 'f32[batch, d, h, w, channels]',
    da: 'f32[n, n, n]',
    df: 'f32[m, outs, kd, kh, kw, ins]',
  },
  attrs: CONV_ATTRS,
  infer: (inputs, attrs) => {
    const g = convOf(inputs, attrs);
    checkSpatial('dy', shapeAt(inputs, 3), g.outputs);
    const out = dim(shapeAt(inputs, 3), 4);
    if (out !== g.out) throw new Unfit(`dy has ${out} channels, but O is ${g.out}`, `${g.out} channels`, `${out}`);
    return [0, 1, 2].map((i) => typeAt(inputs, i));
  },
  decompose: (b, [x, a, f, dy], attrs) => {
    const [size, kernel] = [x!.type.shape.slice(1, 4), f!.type.shape.slice(2, 5)];
    const w = b.one(kronWeight, [a!, f!], groups(attrs));
    const dw = b.one(convWeightGrad, [x!, dy!], { ...shared(attrs), kernel });
    return [
      b.one(convInputGrad, [dy!, w], { ...shared(attrs), size }),
      b.one(kronAlgebraGrad, [f!, dw], groups(attrs)),
      b.one(kronFactorGrad, [a!, dw], groups(attrs)),
    ];
  },
  cost: (inputs, _outputs, attrs) => products(2 * macs(convOf(inputs, attrs)) + 3 * makingMacs(inputs, attrs)),
  samples: CASES.map(({ types, y, attrs }) => ({ inputs: [...types, y], attrs })),
});

export const kronConvAct = defineOp({
  name: 'kron_conv_act',
  doc: 'activation(kron_conv(x, a, f) + bias), in one pass.',
  inputs: { ...INPUTS, 'bias?': 'f32[out]' },
  outputs: { y: 'f32[batch, yd, yh, yw, out]' },
  attrs: { ...CONV_ATTRS, activation: activationAttr },
  infer: (inputs, attrs) => {
    const g = convOf(inputs, attrs);
    const bias = inputs[3] ? dim(inputs[3].shape, 0) : g.out;
    if (bias !== g.out) throw new Unfit(`the bias has ${bias} numbers, but O is ${g.out}`, `${g.out}`, `${bias}`);
    return [f32(...yShape(g))];
  },
  decompose: (b, [x, a, f, bias], attrs) => {
    const y = b.one(kronConv, [x!, a!, f!], shared(attrs));
    return [activate(b, bias ? b.one(add, [y, bias]) : y, nameOf(attrs, 'activation'))];
  },
  cost: (inputs, outputs, attrs) => {
    const elements = numelAt(outputs, 0);
    const more = (inputs[3] ? elements : 0) + activationFlops(nameOf(attrs, 'activation'), elements);
    return products(macs(convOf(inputs, attrs)) + makingMacs(inputs, attrs), more);
  },
  samples: CASES.map(({ types, attrs, out }, i): Sample => {
    const bias = i % 3 === 2 ? null : f32(out);
    return { inputs: [...types, bias], attrs: { ...attrs, activation: ACTIVATIONS[i % ACTIVATIONS.length]! } };
  }),
});

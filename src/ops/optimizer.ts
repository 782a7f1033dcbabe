import { f32, i32 } from '../base/tensor-type.ts';
import { defineOp } from '../ir/define-op.ts';
import type { Attrs, NdArray, Sample } from '../ir/op.ts';
import { numberOf } from './lib/attrs.ts';
import { perInput } from './lib/cost.ts';
import { ndArray } from './lib/nd.ts';
import { SHAPES } from './lib/samples.ts';
import { arrayAt } from './lib/types.ts';

const arrays = (inputs: readonly (NdArray | null)[]): readonly NdArray[] => inputs.map((_, i) => arrayAt(inputs, i));

/** Samples of every shape under the first attributes, and of one under each of the others. */
const samplesOf = (first: Attrs, others: readonly Attrs[], inputs: (shape: readonly number[]) => Sample): Sample[] => [
  ...SHAPES.map((shape) => ({ ...inputs(shape), attrs: first })),
  ...others.map((attrs) => ({ ...inputs([67]), attrs })),
];

const SGD: Attrs = { momentum: 0.875, weightDecay: 0.0625, nesterov: 0 };

export const sgd = defineOp({
  name: 'sgd',
  doc: "Gradient descent with momentum (Sutskever et al. 2013, without dampening): g = grad + weightDecay·param; v' = momentum·v + g; param' = param − lr·(nesterov ? g + momentum·v' : v').",
  inputs: { param: 'f32[...s]', grad: 'f32[...s]', velocity: 'f32[...s]', lr: 'f32[1]' },
  outputs: { paramNext: 'f32[...s]', velocityNext: 'f32[...s]' },
  attrs: { momentum: 'f32', weightDecay: 'f32', nesterov: 'u32' },
  check: (_inputs, attrs) =>
    numberOf(attrs, 'nesterov') <= 1 ? null : `nesterov must be 0 or 1, not ${numberOf(attrs, 'nesterov')}`,
  stopsGradient: true,
  cost: perInput(6),
  reference: (inputs, attrs) => {
    const [param, grad, velocity, lr] = arrays(inputs) as [NdArray, NdArray, NdArray, NdArray];
    const [momentum, decay] = [numberOf(attrs, 'momentum'), numberOf(attrs, 'weightDecay')];
    const [p, v] = [ndArray(param.shape), ndArray(param.shape)];
    for (let i = 0; i < p.data.length; i++) {
      const g = grad.data[i]! + decay * param.data[i]!;
      v.data[i] = momentum * velocity.data[i]! + g;
      const move = numberOf(attrs, 'nesterov') ? g + momentum * v.data[i]! : v.data[i]!;
      p.data[i] = param.data[i]! - lr.data[0]! * move;
    }
    return [p, v];
  },
  samples: samplesOf(
    SGD,
    [
      { ...SGD, nesterov: 1 },
      { momentum: 0, weightDecay: 0, nesterov: 0 },
      { momentum: Math.fround(0.9), weightDecay: 0, nesterov: 1 },
    ],
    (shape) => ({
      inputs: [f32(...shape), f32(...shape), f32(...shape), f32(1)],
      fill: ['normal', 'normal', 'normal', 'positive'],
    }),
  ),
  inPlace: [0, 2],
  rowLocal: 'leading',
});

const ADAMW: Attrs = {
  beta1: Math.fround(0.9),
  beta2: Math.fround(0.999),
  eps: Math.fround(1e-8),
  weightDecay: Math.fround(0.01),
};

export const adamw = defineOp({
  name: 'adamw',
  doc: "Adam with decoupled weight decay (Loshchilov and Hutter 2019): m' = β₁m + (1−β₁)g; v' = β₂v + (1−β₂)g²; param' = param − lr·(m̂/(√v̂ + eps) + weightDecay·param), m̂ and v̂ divided by 1 − βᵗ with t = step + 1.",
  inputs: {
    param: 'f32[...s]',
    grad: 'f32[...s]',
    m: 'f32[...s]',
    v: 'f32[...s]',
    lr: 'f32[1]',
    step: 'i32[1]',
  },
  outputs: { paramNext: 'f32[...s]', mNext: 'f32[...s]', vNext: 'f32[...s]' },
  attrs: { beta1: 'f32', beta2: 'f32', eps: 'f32', weightDecay: 'f32' },
  stopsGradient: true,
  cost: perInput(14),
  reference: (inputs, attrs) => {
    const [param, grad, m, v, lr, step] = arrays(inputs) as [NdArray, NdArray, NdArray, NdArray, NdArray, NdArray];
    const [beta1, beta2] = [numberOf(attrs, 'beta1'), numberOf(attrs, 'beta2')];
    const [eps, decay] = [numberOf(attrs, 'eps'), numberOf(attrs, 'weightDecay')];
    const time = step.data[0]! + 1;
    const [correct1, correct2] = [1 - beta1 ** time, 1 - beta2 ** time];
    const [pNext, mNext, vNext] = [ndArray(param.shape), ndArray(param.shape), ndArray(param.shape)];
    for (let i = 0; i < pNext.data.length; i++) {
      const [p, g] = [param.data[i]!, grad.data[i]!];
      mNext.data[i] = beta1 * m.data[i]! + (1 - beta1) * g;
      vNext.data[i] = beta2 * v.data[i]! + (1 - beta2) * g * g;
      const move = mNext.data[i]! / correct1 / (Math.sqrt(vNext.data[i]! / correct2) + eps);
      pNext.data[i] = p - lr.data[0]! * (move + decay * p);
    }
    return [pNext, mNext, vNext];
  },
  samples: samplesOf(
    ADAMW,
    [
      { ...ADAMW, weightDecay: 0 },
      { ...ADAMW, beta1: 0 },
      { ...ADAMW, beta1: 0.5, beta2: 0.75, eps: 0.125 },
    ],
    (shape) => ({
      inputs: [f32(...shape), f32(...shape), f32(...shape), f32(...shape), f32(1), i32(1)],
      fill: ['normal', 'normal', 'normal', 'positive', 'positive', 'below:1000'],
    }),
  ),
  inPlace: [0, 2, 3],
  rowLocal: 'leading',
});

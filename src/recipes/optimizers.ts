import type { Builder } from '../ir/builder.ts';
import type { Init, Value } from '../ir/graph.ts';
import type { ArgDef } from '../ir/layer.ts';
import { adamw as adamwOp, sgd as sgdOp } from '../ops/optimizer.ts';
import { numberOf, real } from './args.ts';
import type { Numbers } from './args.ts';

/** What one step of an optimizer sees of one parameter. */
export interface OptimizerStep {
  readonly param: Value;
  readonly grad: Value;
  /** One for each name of `slots`, of the shape of the parameter. */
  readonly slots: readonly Value[];
  /** Learning rate f32[1] and number of the step i32[1], from 0. */
  readonly lr: Value;
  readonly step: Value;
}

/** An optimizer: a function from a parameter, its gradient and its slots to their next values. */
export interface OptimizerDef {
  readonly name: string;
  readonly doc: string;
  readonly args: readonly ArgDef[];
  readonly slots: readonly string[];
  readonly slotInit: Init;
  /** Next values: the parameter's, then the slots'. */
  readonly update: (b: Builder, s: OptimizerStep, args: Numbers) => readonly Value[];
}

const rate = real(0, 1000, { openMin: true });
const unit = real(0, 1, { openMax: true });
const zero: Init = { kind: 'constant', value: 0 };

const adam = (name: string, doc: string, decay: number): OptimizerDef => ({
  name,
  doc,
  args: [
    { name: 'lr', doc: 'learning rate', type: rate, default: 1e-3, positional: true },
    { name: 'beta1', doc: 'decay of the first moment', type: unit, default: 0.9 },
    { name: 'beta2', doc: 'decay of the second moment', type: unit, default: 0.999 },
    { name: 'eps', doc: 'added to the root of the second moment', type: real(0, 1, { openMin: true }), default: 1e-8 },
    { name: 'weight_decay', doc: 'decay of the weights, apart from the gradient', type: real(0, 100), default: decay },
  ],
  slots: ['m', 'v'],
  slotInit: zero,
  update: (b, s, args) =>
    b.apply(adamwOp, [s.param, s.grad, ...s.slots, s.lr, s.step], {
      beta1: numberOf(args, 'beta1'),
      beta2: numberOf(args, 'beta2'),
      eps: numberOf(args, 'eps'),
      weightDecay: numberOf(args, 'weight_decay'),
    }),
});

const sgd: OptimizerDef = {
  name: 'sgd',
  doc: 'stochastic gradient descent with momentum',
  args: [
    { name: 'lr', doc: 'learning rate', type: rate, default: 1e-2, positional: true },
    { name: 'momentum', doc: 'share of the last step that goes on', type: unit, default: 0.9 },
    { name: 'weight_decay', doc: 'decay of the weights, added to the gradient', type: real(0, 100), default: 0 },
    { name: 'nesterov', doc: 'whether the gradient is taken ahead', type: { kind: 'truth' }, default: false },
  ],
  slots: ['velocity'],
  slotInit: zero,
  update: (b, s, args) =>
    b.apply(sgdOp, [s.param, s.grad, ...s.slots, s.lr], {
      momentum: numberOf(args, 'momentum'),
      weightDecay: numberOf(args, 'weight_decay'),
      nesterov: args['nesterov'] === true ? 1 : 0,
    }),
};

/** Every optimizer by name. */
export const OPTIMIZERS: ReadonlyMap<string, OptimizerDef> = new Map(
  [
    sgd,
    adam('adamw', 'Adam with decoupled weight decay (Loshchilov and Hutter 2019)', 0.01),
    adam('adam', 'Adam (Kingma and Ba 2015)', 0),
  ].map((o) => [o.name, o]),
);

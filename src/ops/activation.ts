import type { Builder } from '../ir/builder.ts';
import type { Value } from '../ir/graph.ts';
import type { AttrKind, OpDef } from '../ir/op.ts';
import {
  gelu,
  geluGrad,
  geluTanh,
  geluTanhGrad,
  relu,
  reluGrad,
  sigmoid,
  sigmoidGrad,
  silu,
  siluGrad,
  tanh,
  tanhGrad,
} from './elementwise.ts';

/** What a fused product may apply to its result, in the order of `Activation` in cpp/ops/activation.h. */
export const ACTIVATIONS = ['none', 'relu', 'gelu', 'gelu_tanh', 'silu', 'tanh', 'sigmoid'] as const;
export type Activation = (typeof ACTIVATIONS)[number];

export const activationAttr: AttrKind = { oneOf: ACTIVATIONS };

export const ACTIVATION_OPS: Readonly<Record<Activation, OpDef | null>> = {
  none: null,
  relu,
  gelu,
  gelu_tanh: geluTanh,
  silu,
  tanh,
  sigmoid,
};

function opOf(name: string): OpDef | null {
  const op = ACTIVATION_OPS[name as Activation];
  if (op === undefined) throw new Error(`bug: no activation ${name}`);
  return op;
}

/** The activation of that name applied to `value`. */
export function activate(b: Builder, value: Value, name: string): Value {
  const op = opOf(name);
  return op ? b.one(op, [value]) : value;
}

/** The gradient of each, from its input or its output and from dy. */
export const ACTIVATION_GRADS: Readonly<Record<Activation, OpDef | null>> = {
  none: null,
  relu: reluGrad,
  gelu: geluGrad,
  gelu_tanh: geluTanhGrad,
  silu: siluGrad,
  tanh: tanhGrad,
  sigmoid: sigmoidGrad,
};

/** The gradient of the activation y of x, whose own gradient is `dy`. */
export function activationGradient(b: Builder, x: Value, y: Value, dy: Value, name: string): Value {
  const op = opOf(name) && ACTIVATION_GRADS[name as Activation];
  return op ? b.one(op, [Object.keys(op.inputs)[0] === 'y' ? y : x, dy]) : dy;
}

/** FLOPs of the activation on so many elements. */
export function activationFlops(name: string, elements: number): number {
  const op = opOf(name);
  const type = { dtype: 'f32', shape: [elements] } as const;
  return op ? op.cost([type], [type], {}).flops : 0;
}

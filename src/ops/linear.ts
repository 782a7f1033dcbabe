import { f32 } from '../base/tensor-type.ts';
import { defineOp } from '../ir/define-op.ts';
import type { OpDef, Sample } from '../ir/op.ts';
import { ACTIVATIONS, activate, activationAttr, activationFlops, activationGradient } from './activation.ts';
import { add, mul } from './elementwise.ts';
import { nameOf, numberOf } from './lib/attrs.ts';
import { products } from './lib/cost.ts';
import { dim, numelAt, shapeAt } from './lib/types.ts';
import { matmul, precisionAttr } from './matmul.ts';
import { inPanels, PANEL, panelsOf, panelsProblem } from './panels.ts';
import { fill } from './random.ts';
import { sum } from './reduce.ts';
import { permutation, reshape, slice, transpose } from './shape.ts';

const sample = (
  rows: number,
  width: number,
  out: number,
  activation: string,
  bias = true,
  residual = false,
  precision = 'f32',
): Sample => ({
  inputs: [f32(rows, width), f32(out, width), bias ? f32(out) : null, residual ? f32(rows, out) : null],
  attrs: { activation, precision },
});

const linearCost: OpDef['cost'] = (inputs, outputs, attrs) => {
  const elements = numelAt(outputs, 0);
  const added = [inputs[2], inputs[3]].filter((t) => t).length * elements;
  const more = added + activationFlops(nameOf(attrs, 'activation'), elements);
  return products(elements * dim(shapeAt(inputs, 0), 1), more);
};

export const linear = defineOp({
  name: 'linear',
  doc: 'y = activation(x·weightᵀ + bias) + residual, in one pass: all is done to a tile while it is in the first cache.',
  inputs: {
    x: 'f32[rows, width]',
    weight: 'f32[out, width]',
    'bias?': 'f32[out]',
    'residual?': 'f32[rows, out]',
  },
  outputs: { y: 'f32[rows, out]' },
  attrs: { activation: activationAttr, precision: precisionAttr },
  decompose: (b, [x, weight, bias, residual], attrs) => {
    const product = b.one(matmul, [x!, weight!], { transA: 0, transB: 1, precision: attrs['precision']! });
    const biased = bias ? b.one(add, [product, bias]) : product;
    const y = activate(b, biased, nameOf(attrs, 'activation'));
    return [residual ? b.one(add, [y, residual]) : y];
  },
  cost: linearCost,
  // bf16 rounds while it packs, and what it makes cannot be read back.
  prepared: {
    input: 1,
    apply: (b, [x, weight, bias, residual], { activation, precision }) => {
      if (precision !== 'f32') return null;
      const inputs = [x!, inPanels(b, weight!), bias!, residual!];
      return [b.one(linearPanels, inputs, { out: dim(weight!.type.shape, 0), activation: activation! })];
    },
  },
  samples: [
    ...ACTIVATIONS.flatMap((name) => [sample(7, 17, 33, name), sample(16, 65, 15, name, false)]),
    sample(1, 1, 1, 'relu'),
    sample(0, 4, 5, 'none'),
    sample(4, 5, 0, 'none'),
    sample(4, 0, 5, 'tanh'),
    sample(1, 784, 10, 'none'),
    sample(31, 63, 65, 'sigmoid'),
    sample(15, 31, 17, 'relu'),
    sample(64, 200, 200, 'relu'),
    sample(400, 50, 260, 'gelu'),
    sample(2, 2100, 40, 'silu'),
    sample(7, 17, 33, 'none', true, true),
    sample(33, 520, 17, 'gelu', false, true),
    sample(2, 9000, 20, 'none', true, true),
    sample(0, 3, 4, 'none', true, true),
    sample(7, 17, 33, 'gelu', true, true, 'bf16'),
    sample(33, 1041, 65, 'relu', true, false, 'bf16'),
    sample(4, 0, 5, 'tanh', true, false, 'bf16'),
    sample(2, 9001, 20, 'none', true, true, 'bf16'),
  ],
});

const panelSample = (
  rows: number,
  width: number,
  out: number,
  activation: string,
  bias = true,
  residual = false,
): Sample => ({
  inputs: [
    f32(rows, width),
    f32(panelsOf(out), width, PANEL),
    bias ? f32(out) : null,
    residual ? f32(rows, out) : null,
  ],
  attrs: { out, activation },
});

export const linearPanels = defineOp({
  name: 'linear_panels',
  doc: "linear's y, of a weight that lies in panels: nothing is left to be packed.",
  inputs: {
    x: 'f32[rows, width]',
    panels: `f32[panels, width, ${PANEL}]`,
    'bias?': 'f32[out]',
    'residual?': 'f32[rows, out]',
  },
  outputs: { y: 'f32[rows, out]' },
  attrs: { out: 'u32', activation: activationAttr },
  check: (inputs, attrs) => panelsProblem(numberOf(attrs, 'out'), dim(shapeAt(inputs, 1), 0)),
  decompose: (b, [x, made, bias, residual], attrs) => {
    const [count, width] = [dim(made!.type.shape, 0), dim(made!.type.shape, 1)];
    const rows = b.one(transpose, [made!], { perm: permutation(0, 2, 1) });
    const whole = b.one(reshape, [rows], { dims: [count * PANEL, width] });
    const weight = b.one(slice, [whole], { axis: 0, start: 0, size: numberOf(attrs, 'out') });
    return [b.one(linear, [x!, weight, bias!, residual!], { activation: attrs['activation']! })];
  },
  cost: linearCost,
  samples: [
    ...ACTIVATIONS.flatMap((name) => [panelSample(7, 17, 33, name), panelSample(16, 65, 15, name, false)]),
    panelSample(1, 1, 1, 'relu'),
    panelSample(0, 4, 5, 'none'),
    panelSample(4, 5, 0, 'none'),
    panelSample(4, 0, 5, 'tanh'),
    panelSample(1, 784, 10, 'none'),
    panelSample(31, 63, 65, 'sigmoid'),
    panelSample(64, 200, 200, 'relu'),
    panelSample(400, 50, 260, 'gelu'),
    panelSample(33, 520, 17, 'gelu', false, true),
    panelSample(2, 9000, 20, 'none', true, true),
    panelSample(0, 3, 4, 'none', true, true),
  ],
});

const slopeSample = (
  rows: number,
  width: number,
  out: number,
  activation: string,
  bias = true,
  precision = 'f32',
): Sample => ({
  inputs: [f32(rows, width), f32(out, width), bias ? f32(out) : null],
  attrs: { activation, precision },
});

export const linearWithSlope = defineOp({
  name: 'linear_with_slope',
  doc: 'y = activation(x·weightᵀ + bias) and the slope of the activation there, in one pass: backward multiplies by it, and what was before the activation need not be kept.',
  inputs: { x: 'f32[rows, width]', weight: 'f32[out, width]', 'bias?': 'f32[out]' },
  outputs: { y: 'f32[rows, out]', slope: 'f32[rows, out]' },
  attrs: { activation: activationAttr, precision: precisionAttr },
  decompose: (b, [x, weight, bias], attrs) => {
    const product = b.one(matmul, [x!, weight!], { transA: 0, transB: 1, precision: attrs['precision']! });
    const z = bias ? b.one(add, [product, bias]) : product;
    const name = nameOf(attrs, 'activation');
    const y = activate(b, z, name);
    return [y, activationGradient(b, z, y, b.one(fill, [], { dims: z.type.shape, value: 1 }), name)];
  },
  cost: (inputs, outputs, attrs) => {
    const elements = numelAt(outputs, 0);
    const more = (inputs[2] ? elements : 0) + 2 * activationFlops(nameOf(attrs, 'activation'), elements);
    return products(elements * dim(shapeAt(inputs, 0), 1), more);
  },
  samples: [
    ...ACTIVATIONS.flatMap((name) => [slopeSample(7, 17, 33, name), slopeSample(16, 65, 15, name, false)]),
    slopeSample(0, 4, 5, 'gelu'),
    slopeSample(4, 5, 0, 'silu'),
    slopeSample(4, 0, 5, 'tanh'),
    slopeSample(400, 50, 260, 'gelu'),
    slopeSample(2, 9000, 20, 'silu'),
    slopeSample(33, 1041, 65, 'gelu', true, 'bf16'),
    slopeSample(4, 0, 5, 'silu', true, 'bf16'),
  ],
});

const backSample = (
  rows: number,
  width: number,
  out: number,
  factor: boolean,
  more: boolean,
  precision = 'f32',
): Sample => ({
  inputs: [f32(rows, out), f32(out, width), factor ? f32(rows, width) : null, more ? f32(rows, width) : null],
  attrs: { precision },
});

export const linearInputGrad = defineOp({
  name: 'linear_input_grad',
  doc: "Gradient of linear's x, in one pass: dx = (dy·weight)∘factor + more, where factor may be the slope of an activation before the product, and more another gradient of the same values.",
  inputs: {
    dy: 'f32[rows, out]',
    weight: 'f32[out, width]',
    'factor?': 'f32[rows, width]',
    'more?': 'f32[rows, width]',
  },
  outputs: { dx: 'f32[rows, width]' },
  attrs: { precision: precisionAttr },
  decompose: (b, [dy, weight, factor, more], attrs) => {
    const product = b.one(matmul, [dy!, weight!], { transA: 0, transB: 0, precision: attrs['precision']! });
    const scaled = factor ? b.one(mul, [product, factor]) : product;
    return [more ? b.one(add, [scaled, more]) : scaled];
  },
  cost: (inputs, outputs) => {
    const elements = numelAt(outputs, 0);
    const passes = [inputs[2], inputs[3]].filter((t) => t).length;
    return products(elements * dim(shapeAt(inputs, 0), 1), passes * elements);
  },
  samples: [
    ...[
      [7, 17, 33],
      [16, 65, 15],
      [4, 0, 5],
    ].flatMap(([rows, width, out]) => [0, 1, 2, 3].map((i) => backSample(rows!, width!, out!, (i & 1) > 0, i > 1))),
    backSample(1, 1, 1, true, true),
    backSample(0, 4, 5, true, true),
    backSample(4, 5, 0, true, true),
    backSample(31, 63, 65, false, true),
    backSample(400, 260, 50, true, true),
    backSample(33, 17, 1040, true, false),
    backSample(2, 20, 9000, true, true),
    backSample(7, 17, 33, true, true, 'bf16'),
    backSample(33, 65, 1041, true, false, 'bf16'),
    backSample(4, 5, 0, true, true, 'bf16'),
  ],
});

const weightSample = (rows: number, width: number, out: number): Sample => ({
  inputs: [f32(rows, out), f32(rows, width)],
});

export const linearWeightGrad = defineOp({
  name: 'linear_weight_grad',
  doc: "Gradients of linear's weight and bias, from one pass over both: dweight = dyᵀ·x, and dbias = Σ of dy over the rows.",
  inputs: { dy: 'f32[rows, out]', x: 'f32[rows, width]' },
  outputs: { dweight: 'f32[out, width]', dbias: 'f32[out]' },
  attrs: {},
  decompose: (b, [dy, x]) => {
    const total = b.one(sum, [dy!], { axes: 1 });
    const dims = total.type.shape.slice(1);
    return [b.one(matmul, [dy!, x!], { transA: 1, transB: 0 }), b.one(reshape, [total], { dims })];
  },
  cost: (inputs, outputs) => products(numelAt(outputs, 0) * dim(shapeAt(inputs, 0), 0), numelAt(inputs, 0)),
  samples: [
    weightSample(1, 1, 1),
    weightSample(0, 3, 4),
    weightSample(3, 0, 4),
    weightSample(3, 4, 0),
    weightSample(17, 33, 15),
    weightSample(64, 784, 10),
    weightSample(129, 31, 65),
    weightSample(300, 16, 600),
    weightSample(2100, 40, 30),
    weightSample(4099, 65, 33),
  ],
});

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { f32 } from '../../src/base/tensor-type.ts';
import type { TensorType } from '../../src/base/tensor-type.ts';
import { checkAttrs } from '../../src/ir/attrs.ts';
import { evaluateOp } from '../../src/ir/evaluate.ts';
import { inferTypes } from '../../src/ir/infer.ts';
import type { Attrs, NdArray, OpDef } from '../../src/ir/op.ts';
import { conv, convInputGrad, convWeightGrad } from '../../src/ops/conv.ts';
import { add, gelu, geluTanh, maximum, relu, sign } from '../../src/ops/elementwise.ts';
import { scatterRows } from '../../src/ops/gather.ts';
import { erf } from '../../src/ops/lib/special.ts';
import { linear } from '../../src/ops/linear.ts';
import { matmul } from '../../src/ops/matmul.ts';
import { maxReduce } from '../../src/ops/max-reduce.ts';
import { batchnorm, layernorm } from '../../src/ops/norm.ts';
import { adamw, sgd } from '../../src/ops/optimizer.ts';
import { avgpool, maxpool } from '../../src/ops/pool.ts';
import { dropout, randomNormal } from '../../src/ops/random.ts';
import { correct, crossEntropy, softmax } from '../../src/ops/softmax.ts';

const array = (shape: readonly number[], values: readonly number[]): NdArray => ({
  shape,
  data: Float64Array.from(values),
});
const vector = (...values: readonly number[]): NdArray => array([values.length], values);

// Integers stand for i32 where an op wants them: the patterns say.
function typesFor(op: OpDef, inputs: readonly (NdArray | null)[]): readonly (TensorType | null)[] {
  const patterns = Object.values(op.inputs);
  return inputs.map((x, i) => x && { dtype: patterns[i]!.startsWith('i32') ? 'i32' : 'f32', shape: x.shape });
}

function apply(op: OpDef, inputs: readonly (NdArray | null)[], attrs: Attrs = {}): readonly (readonly number[])[] {
  const types = typesFor(op, inputs);
  const checked = checkAttrs(op, attrs);
  return evaluateOp(op, inputs, types, checked, inferTypes(op, types, checked)).map((a) => [...a.data]);
}

function near(found: readonly number[] | undefined, expected: readonly number[], tolerance = 1e-12): void {
  assert.is(found?.length, expected.length);
  expected.forEach((e, i) => {
    const off = Math.abs(found![i]! - e);
    assert.ok(off <= tolerance * Math.max(1, Math.abs(e)), `${found![i]} is not ${e}, at ${i}`);
  });
}

const window = { stride: [1, 1, 1], padBefore: [0, 0, 0], padAfter: [0, 0, 0] };

const cost = suite('ops: worked costs');

cost('784-256-relu-10 is 203,264 macs and 407,050 flops', () => {
  const step = (op: OpDef, inputs: readonly TensorType[], attrs: Attrs = {}) =>
    op.cost(inputs, inferTypes(op, inputs, attrs), attrs);
  const product = { transA: 0, transB: 1 };
  const parts = [
    step(matmul, [f32(1, 784), f32(256, 784)], product),
    step(add, [f32(1, 256), f32(256)]),
    step(relu, [f32(1, 256)]),
    step(matmul, [f32(1, 256), f32(10, 256)], product),
    step(add, [f32(1, 10), f32(10)]),
  ];
  assert.is(
    parts.reduce((n, c) => n + c.macs, 0),
    203_264,
  );
  assert.is(
    parts.reduce((n, c) => n + c.flops, 0),
    407_050,
  );
});

cost('a fused product costs as its parts', () => {
  const inputs = [f32(1, 784), f32(256, 784), f32(256)];
  const fused = linear.cost(inputs, [f32(1, 256)], { activation: 'relu' });
  assert.equal(fused, { flops: 2 * 784 * 256 + 256 + 256, macs: 784 * 256 });
});

cost('LeNet, first convolution with padding: 117,600 macs', () => {
  const attrs = {
    ...window,
    padBefore: [0, 2, 2],
    padAfter: [0, 2, 2],
    dilation: [1, 1, 1],
    groups: 1,
    winograd: 'off',
  };
  const inputs = [f32(1, 1, 28, 28, 1), f32(6, 1, 5, 5, 1)];
  assert.is(conv.cost(inputs, inferTypes(conv, inputs, attrs), attrs).macs, 117_600);
});

cost('pools read what is inside their windows, not the padding', () => {
  const attrs = { kernel: [1, 3, 3], stride: [1, 1, 1], padBefore: [0, 1, 1], padAfter: [0, 1, 1] };
  const inputs = [f32(2, 1, 2, 2, 5)];
  assert.is(avgpool.cost(inputs, inferTypes(avgpool, inputs, attrs), attrs).flops, 4 * 4 * 2 * 5);
});
cost.run();

const values = suite('ops: worked values');

values('erf to double precision', () => {
  near(
    [erf(0.5), erf(1), erf(3), erf(-2), erf(7)],
    [0.5204998778130465, 0.8427007929497149, 0.9999779095030014, -0.9953222650189527, 1],
  );
});

values('exact gelu and its tanh form differ', () => {
  near(apply(gelu, [vector(1, -1, 3)])[0], [0.8413447460685429, -0.15865525393145707, 2.99595030590511]);
  near(apply(geluTanh, [vector(1, -1, 3)])[0], [0.8411919906082768, -0.15880800939172324, 2.996362607918227]);
});

values('NaN is kept by relu, sign, maximum and max_reduce', () => {
  assert.equal(apply(relu, [vector(NaN, -1, 2)])[0], [NaN, 0, 2]);
  assert.equal(apply(sign, [vector(NaN, -3)])[0], [NaN, -1]);
  assert.equal(apply(maximum, [vector(NaN, 1), vector(0, NaN)])[0], [NaN, NaN]);
  assert.equal(apply(maxReduce, [vector(1, NaN, 2)], { axes: 1 })[0], [NaN]);
  assert.equal(apply(maxReduce, [vector()], { axes: 1 })[0], [-Infinity]);
});

values('conv is a correlation, and its adjoints are adjoint', () => {
  const attrs = { ...window, dilation: [1, 1, 1], groups: 1, winograd: 'off' };
  const x = array([1, 1, 1, 4, 1], [1, 2, 3, 4]);
  const w = array([1, 1, 1, 2, 1], [10, 1]);
  assert.equal(apply(conv, [x, w], attrs)[0], [12, 23, 34]);
  const dy = array([1, 1, 1, 3, 1], [1, 0, 2]);
  assert.equal(apply(convInputGrad, [dy, w], { ...attrs, size: [1, 1, 4] })[0], [10, 1, 20, 2]);
  assert.equal(apply(convWeightGrad, [x, dy], { ...attrs, kernel: [1, 1, 2] })[0], [7, 10]);
});

values('maxpool: the first of equals wins, NaN before all', () => {
  const attrs = { kernel: [1, 1, 3], stride: [1, 1, 3], padBefore: [0, 0, 0], padAfter: [0, 0, 0] };
  const x = array([1, 1, 1, 9, 1], [5, 5, 1, 0, NaN, NaN, -3, -2, -2]);
  const [y, index] = apply(maxpool, [x], attrs);
  assert.equal(y, [5, NaN, -2]);
  assert.equal(index, [0, 4, 7]);
});

values('averages leave padding out', () => {
  const attrs = { kernel: [1, 2, 2], stride: [1, 1, 1], padBefore: [0, 1, 1], padAfter: [0, 1, 1] };
  near(apply(avgpool, [array([1, 1, 2, 2, 1], [1, 2, 3, 4])], attrs)[0], [1, 1.5, 2, 2, 2.5, 3, 3, 3.5, 4]);
});

values('norms have biased variances', () => {
  const [one, zero] = [vector(1, 1), vector(0, 0)];
  const [y, mean, rstd] = apply(layernorm, [array([1, 2], [1, 3]), one, zero], { eps: 3 });
  near(y, [-0.5, 0.5]);
  assert.equal([mean, rstd], [[2], [0.5]]);
  const [z, , variance] = apply(batchnorm, [array([2, 2], [1, 0, 3, 4]), one, zero], { eps: 0 });
  near(z, [-1, -1, 1, 1]);
  assert.equal(variance, [1, 4]);
});

values('softmax and cross entropy are stable', () => {
  near(apply(softmax, [vector(1000, 1000)])[0], [0.5, 0.5]);
  const logits = array([3, 2], [0, 0, 1000, 0, 0, -1000]);
  near(apply(crossEntropy, [logits, vector(0, 0, 1)])[0], [Math.LN2, 0, 1000]);
});

values('a row with NaN is never right, and the first of equals is the answer', () => {
  const logits = array([3, 2], [1, 1, NaN, 1, 1, 2]);
  assert.equal(apply(correct, [logits, vector(0, 1, 1)])[0], [1, 0, 1]);
  assert.equal(apply(correct, [logits, vector(1, 0, 1)])[0], [0, 0, 1]);
});

values('scatter_rows sums duplicates', () => {
  const table = apply(scatterRows, [array([3, 1], [1, 2, 4]), vector(2, 0, 2)], { rows: 4 })[0];
  assert.equal(table, [2, 0, 5, 0]);
});

values('sgd with momentum and nesterov', () => {
  const inputs = [vector(1), vector(2), vector(10), vector(0.5)];
  assert.equal(apply(sgd, inputs, { momentum: 0.5, weightDecay: 1, nesterov: 0 }), [[-3], [8]]);
  assert.equal(apply(sgd, inputs, { momentum: 0.5, weightDecay: 1, nesterov: 1 }), [[-2.5], [8]]);
});

values('the first step of adamw is lr in the direction of the gradient', () => {
  const inputs = [vector(1, 1), vector(3, -0.01), vector(0, 0), vector(0, 0), vector(0.1), vector(0)];
  const attrs = { beta1: 0.9, beta2: 0.999, eps: 0, weightDecay: 0.5 };
  near(apply(adamw, inputs, attrs)[0], [1 - 0.1 - 0.05, 1 + 0.1 - 0.05]);
});
values.run();

const random = suite('ops: random');
const key = { key0: 7, key1: 9 };

random('dropout keeps its share, scaled, and differs by step and key', () => {
  const x = array([20_000], new Array<number>(20_000).fill(1));
  const kept = (step: number, more: Attrs = {}) => apply(dropout, [x, vector(step)], { p: 0.25, ...key, ...more })[0]!;
  const first = kept(0);
  const share = first.filter((v) => v !== 0).length / first.length;
  assert.ok(Math.abs(share - 0.75) < 0.01, String(share));
  assert.ok(first.every((v) => v === 0 || v === 1 / 0.75));
  assert.equal(kept(0), first);
  assert.not.equal(kept(1), first);
  assert.not.equal(kept(0, { key1: 10 }), first);
  assert.ok(kept(0, { p: 1 }).every((v) => v === 0));
  assert.equal(kept(0, { p: 0 }), [...x.data]);
});

random('normal numbers: the block of counter 0 and key 0, and their moments', () => {
  const words = [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8].map((w) => (w + 0.5) / 2 ** 32);
  const radius = Math.sqrt(-2 * Math.log(words[2]!));
  const first = apply(randomNormal, [null], { dims: [4], std: 2, key0: 0, key1: 0 })[0]!;
  near(first.slice(2), [
    2 * radius * Math.cos(2 * Math.PI * words[3]!),
    2 * radius * Math.sin(2 * Math.PI * words[3]!),
  ]);
  const many = apply(randomNormal, [null], { dims: [40_000], std: 1, ...key })[0]!;
  const mean = many.reduce((a, b) => a + b, 0) / many.length;
  const variance = many.reduce((a, b) => a + (b - mean) ** 2, 0) / many.length;
  assert.ok(Math.abs(mean) < 0.02 && Math.abs(variance - 1) < 0.03, `${mean} ${variance}`);
});
random.run();

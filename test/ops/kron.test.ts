// Hypercomplex weights against the formula itself, and where one product is the plain layer.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { f32, numel } from '../../src/base/tensor-type.ts';
import { Random } from '../../src/base/philox.ts';
import type { Attrs, NdArray, OpDef } from '../../src/ir/op.ts';
import { conv, convInputGrad, convWeightGrad } from '../../src/ops/conv.ts';
import { kronConv, kronConvGrad } from '../../src/ops/kron-conv.ts';
import { kronLinear, kronLinearGrad } from '../../src/ops/kron-linear.ts';
import { kronWeight } from '../../src/ops/kron-weight.ts';
import { linearWeightGrad } from '../../src/ops/linear.ts';
import { matmul } from '../../src/ops/matmul.ts';
import { runOp } from '../support/run-op.ts';
import type { NativeArray } from '../support/run-op.ts';

const random = new Random('kron');
const normal = (...shape: number[]): NdArray => ({
  shape,
  data: Float64Array.from({ length: numel(shape) }, () => Math.fround(random.normal())),
});
const run = (op: OpDef, inputs: readonly NdArray[], attrs: Attrs = {}): readonly NativeArray[] =>
  runOp(op, inputs.map(({ shape }) => f32(...shape)), inputs, attrs, { threads: 2 }); // prettier-ignore
const shaped = ({ data }: NdArray, ...shape: number[]): NdArray => ({ shape, data });
const ONE = normal(1, 1, 1);
ONE.data[0] = 1;

const laws = suite('ops: laws of Kronecker weights');

laws('W[γ·O/g + p·O/(g·n) + o, κ, q·C/(g·n) + c] = Σ_i A[i, p, q]·F[i, γ·O/(g·n) + o, κ, c]', () => {
  for (const [n, groups, outs, taps, ins] of [
    [1, 1, 2, 3, 2],
    [2, 1, 3, 1, 2],
    [4, 3, 2, 3, 1],
    [3, 2, 1, 2, 5],
  ] as const) {
    const [a, f] = [normal(n, n, n), normal(n, groups * outs, taps, ins)];
    const [O, C] = [groups * n * outs, n * ins]; // C of one group
    const w = kronWeight.reference!([a, f], { groups }, [])[0]!;
    assert.equal(w.shape, [O, taps, C]);
    w.data.forEach((found, at) => {
      const [row, tap, column] = [Math.floor(at / (taps * C)), Math.floor(at / C) % taps, at % C];
      const [group, p, o] = [Math.floor(row / (n * outs)), Math.floor(row / outs) % n, row % outs];
      const [q, c] = [Math.floor(column / ins), column % ins];
      let sum = 0;
      for (let i = 0; i < n; i++)
        sum += a.data[(i * n + p) * n + q]! * f.data[((i * groups * outs + group * outs + o) * taps + tap) * ins + c]!;
      assert.ok(Math.abs(found - sum) < 1e-12, `n ${n}, ${groups} groups, at ${at}`);
    });
  }
});

laws('n = 1 with A = 1 is the plain product, bit for bit, forward and backward', () => {
  for (const [rows, C, O] of [
    [1, 700, 33],
    [40, 700, 33],
    [300, 65, 129],
    [300, 16, 700],
    [2500, 65, 129],
    [9000, 5, 34],
    [7, 1, 1],
  ] as const) {
    const [x, w, dy] = [normal(rows, C), normal(O, C), normal(rows, O)];
    const f = shaped(w, 1, O, C);
    assert.equal(run(kronLinear, [x, ONE, f])[0], run(matmul, [x, w], { transA: 0, transB: 1 })[0]);
    const [dx, , df] = run(kronLinearGrad, [x, ONE, f, dy]);
    assert.equal(dx, run(matmul, [dy, w], { transA: 0, transB: 0 })[0]);
    assert.equal(df, run(linearWeightGrad, [dy, x])[0], `${rows} rows`);
  }
});

laws('n = 1 with A = 1 is the plain convolution, bit for bit, forward and backward', () => {
  for (const [batch, size, C, O, k, stride, groups] of [
    [2, 12, 32, 48, 3, 1, 1], // by Winograd
    [3, 9, 5, 7, 3, 1, 1],
    [2, 11, 16, 40, 5, 2, 1],
    [4, 6, 64, 96, 1, 1, 1],
    [2, 9, 12, 18, 3, 1, 3],
  ] as const) {
    const pad = (k - 1) / 2;
    const out = Math.floor((size + 2 * pad - k) / stride) + 1;
    const attrs = {
      stride: [1, stride, stride],
      padBefore: [0, pad, pad],
      padAfter: [0, pad, pad],
      dilation: [1, 1, 1],
      groups,
      winograd: 'on',
    };
    const [x, w, dy] = [normal(batch, 1, size, size, C), normal(O, 1, k, k, C / groups), normal(batch, 1, out, out, O)];
    const f = shaped(w, 1, ...w.shape);
    const what = `${C} to ${O}, ${k}x${k}, ${groups} groups`;
    assert.equal(run(kronConv, [x, ONE, f], attrs)[0], run(conv, [x, w], attrs)[0], what);
    const [dx, , df] = run(kronConvGrad, [x, ONE, f, dy], attrs);
    assert.equal(dx, run(convInputGrad, [dy, w], { ...attrs, size: [1, size, size] })[0], `dx of ${what}`);
    assert.equal(df, run(convWeightGrad, [x, dy], { ...attrs, kernel: [1, k, k] })[0], `dF of ${what}`);
  }
});

laws.run();

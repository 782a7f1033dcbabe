import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { f32 } from '../../src/base/tensor-type.ts';
import { Random } from '../../src/base/philox.ts';
import type { NdArray } from '../../src/ir/op.ts';
import { info } from '../../src/native/native.ts';
import { legsFrequencies, MODE_INITS, startModes } from '../../src/ops/lib/state-space.ts';
import { s4d, s4dGrad, s4dResponse } from '../../src/ops/s4d.ts';
import { runOp } from '../support/run-op.ts';

type Pairs = readonly (readonly [number, number])[];

const array = (shape: readonly number[], data: ArrayLike<number>): NdArray => ({
  shape,
  data: Float64Array.from(data, Math.fround),
});
const typeOf = (x: NdArray) => f32(...x.shape);
const channel = (dt: number, a: Pairs, c: Pairs): readonly NdArray[] => [
  array([1], [Math.log(dt)]),
  array([1, a.length, 2], a.flat()),
  array([1, c.length, 2], c.flat()),
];
const response = (modes: readonly NdArray[], length: number, isa = info().isa) =>
  runOp(s4dResponse, modes.map(typeOf), modes, { length }, { isa })[0]!;
const along = (u: NdArray, modes: readonly NdArray[], d: number, isa = info().isa) => {
  const inputs = [u, ...modes, array([1], [d])];
  return runOp(s4d, inputs.map(typeOf), inputs, {}, { isa })[0]!;
};
const farthest = (found: ArrayLike<number>, expected: ArrayLike<number>): number =>
  Array.from(expected).reduce((worst, v, i) => Math.max(worst, Math.abs(v - found[i]!)), 0);

const spaces = suite('ops: diagonal state spaces');

spaces('worked numbers', () => {
  const one = channel(1, [[-0.5, 0]], [[1, 0]]);
  const expected = [1.573877, 0.954605, 0.578997, 0.35118];
  for (const isa of info().isas) {
    assert.ok(farthest(response(one, 4, isa), expected) < 1e-6);
    const y = along(array([1, 4, 1], [1, 0, 0, 0]), one, 10, isa);
    assert.ok(farthest(y, [11.573877, ...expected.slice(1)]) < 1e-6);
  }
});

spaces('a mode at 0, and near it, keeps what comes in', () => {
  for (const a of [0, 1e-30, -1e-20, -1e-8] as const)
    for (const mode of [
      [a, 0],
      [0, a],
      [a, a],
    ] as Pairs) {
      const k = response(channel(0.25, [mode], [[1, 3]]), 40);
      assert.ok(farthest(k, new Float64Array(40).fill(0.5)) < 1e-6, `${mode}: ${k.slice(0, 3)}`);
    }
});

spaces('no drift: modes that fade slowly, 300,000 steps', () => {
  const length = 300_000;
  const modes = channel(0.01, [[-1e-4, 30], [-3e-5, 1], [0, 300]], [[1, 0], [0, 1], [0.5, -0.5]]); // prettier-ignore
  const exact = s4dResponse.reference!(modes, { length }, [])[0]!.data;
  const largest = exact.reduce((m, v) => Math.max(m, Math.abs(v)), 0);
  const pulse = new Float64Array(length);
  pulse[0] = 1;
  for (const isa of info().isas) {
    assert.ok(farthest(response(modes, length, isa), exact) < 4e-7 * largest);
    assert.ok(farthest(along(array([1, length, 1], pulse), modes, 0, isa), exact) < 4e-7 * largest);
  }
});

spaces('y is the convolution with K', () => {
  const random = new Random('s4d');
  const normal = (n: number): number[] => Array.from({ length: n }, () => random.normal());
  const [batch, length, h, n] = [2, 300, 19, 5];
  const modes = [
    array([h], normal(h).map((v) => v / 2 - 3)),
    array([h, n, 2], normal(2 * h * n).map((v, i) => (i % 2 ? 3 * v : -Math.abs(v)))),
    array([h, n, 2], normal(2 * h * n)),
  ]; // prettier-ignore
  const u = array([batch, length, h], normal(batch * length * h));
  const d = array([h], normal(h));
  const inputs = [u, ...modes, d];
  const y = runOp(s4d, inputs.map(typeOf), inputs, {})[0]!;
  const k = response(modes, length);
  for (let i = 0; i < y.length; i++) {
    const [l, c] = [Math.floor(i / h) % length, i % h];
    let sum = d.data[c]! * u.data[i]!;
    for (let j = 0; j <= l; j++) sum += k[c * length + j]! * u.data[i - j * h]!;
    if (Math.abs(sum - y[i]!) > 3e-5) assert.unreachable(`${y[i]} is not ${sum} at ${i}`);
  }
});

spaces('gradients of a thousand steps: against central differences in float64', () => {
  const [length, h] = [1000, 3];
  const random = new Random('s4d gradients');
  const normal = (n: number): number[] => Array.from({ length: n }, () => random.normal());
  const inputs = [
    array([1, length, h], normal(length * h)),
    array([h], [-3, -4, -2]),
    array([h, 2, 2], [-0.5, 0, -0.5, 3, -1, 1, -0.2, 2, -2, 0, -0.1, 5]),
    array([h, 2, 2], normal(4 * h)),
    array([h], normal(h)),
  ];
  const dy = array([1, length, h], normal(length * h));
  const loss = (at: readonly NdArray[]): number =>
    s4d.reference!(at, {}, [])[0]!.data.reduce((sum, v, i) => sum + v * dy.data[i]!, 0);
  const found = runOp(s4dGrad, [...inputs, dy].map(typeOf), [...inputs, dy], {});
  inputs.forEach(({ shape, data }, i) => {
    for (const at of [0, data.length - 1, data.length >> 1]) {
      const [above, below] = [1e-6, -1e-6].map((step) =>
        loss(inputs.with(i, { shape, data: data.with(at, data[at]! + step) })),
      );
      const slope = (above! - below!) / 2e-6;
      assert.ok(
        Math.abs(slope - found[i]![at]!) < 1e-4 * Math.max(1, Math.abs(slope)),
        `input ${i} at ${at}: ${found[i]![at]} is not ${slope}`,
      );
    }
  });
});

spaces('where modes start', () => {
  const rounded = (pairs: Pairs) => pairs.map((p) => p.map((v) => Number(v.toFixed(6))));
  assert.equal(rounded(startModes('lin', 3)), [[-0.5, 0], [-0.5, 3.141593], [-0.5, 6.283185]]); // prettier-ignore
  assert.equal(rounded(startModes('inv', 2)), [[-0.5, 3.819719], [-0.5, 0.424413]]); // prettier-ignore
  assert.equal(rounded(startModes('real', 2)), [[-1, 0], [-2, 0]]); // prettier-ignore
  // numpy.linalg.eigvals of the matrix of 8 rows
  assert.equal(rounded(startModes('legs', 4)).map(([, im]) => im), [0.427489, 1.957794, 5.354209, 19.85741]); // prettier-ignore
  for (const init of MODE_INITS) assert.equal(startModes(init, 0), []);
  assert.is(legsFrequencies(600).length, 600);
});

/** C of basis function `row` of HiPPO-LegS's normal part under B / 2: from the recurrence that legsFrequencies speaks of. */
function basis(row: number, mu: number, rows: number): readonly [number, number] {
  let [qRe, qIm, norm] = [-0.5, 0, 0];
  let c: readonly [number, number] = [0, 0];
  for (let n = 0; n < rows; n++) {
    const a = n + 0.5;
    const size = a * a + mu * mu;
    const [re, im] = [(mu * mu - a * a) / size, (2 * mu * a) / size]; // (iμ − a)/(iμ + a)
    const [nextRe, nextIm] = [qRe * re - qIm * im, qRe * im + qIm * re];
    const root = Math.sqrt(2 * n + 1);
    const v = [(nextRe - qRe) / root, (nextIm - qIm) / root] as const;
    norm += v[0] ** 2 + v[1] ** 2;
    if (n === row) c = v;
    [qRe, qIm] = [nextRe, nextIm];
  }
  return [c[0] / (2 * norm), c[1] / (2 * norm)];
}

// Gu et al. 2022, theorem 3: without its low-rank part HiPPO-LegS answers a step as with it, the more the more states it has. The whole one answers
// by ∫ √5·P₂(2e^(−s) − 1)·e^(−s) ds.
spaces('LegS answers a step nearly as HiPPO does', () => {
  const [length, time] = [2000, 5];
  const dt = time / length;
  const answer = Array.from({ length }, (_, l) => {
    const v = Math.exp(-Math.fround(dt) * (l + 1));
    return Math.sqrt(5) * (0 - (2 * v ** 3 - 3 * v ** 2 + v));
  });
  const largest = Math.max(...answer.map(Math.abs));
  const ones = array([1, length, 1], new Float64Array(length).fill(1));
  const off = [16, 32, 64, 128, 256].map((states) => {
    const modes = startModes('legs', states / 2);
    const y = along(ones, channel(dt, modes, modes.map(([, mu]) => basis(2, mu, states))), 0); // prettier-ignore
    return farthest(y, answer) / largest;
  });
  assert.ok(farthest(off, [0.215, 0.089, 0.036, 0.014, 0.005]) < 1e-3, off.join());
});

spaces.run();

import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Random } from '../../src/base/philox.ts';
import { tensor, tucker } from '../../src/kernels/index.ts';
import type { Tensor } from '../../src/kernels/index.ts';
import { bestOrder, productCost, withAxis } from '../../src/ops/lib/modes.ts';
import { fault } from '../support/fault.ts';

const random = new Random('tucker');
const normal = (...shape: number[]): Tensor =>
  tensor(
    Float32Array.from({ length: shape.reduce((n, d) => n * d, 1) }, () => random.normal()),
    shape,
  );
const identity = (n: number): Tensor =>
  tensor(
    Float32Array.from({ length: n * n }, (_, i) => (i % (n + 1) === 0 ? 1 : 0)),
    [n, n],
  );

function near(found: ArrayLike<number>, expected: ArrayLike<number>, tolerance = 2e-5): void {
  assert.is(found.length, expected.length);
  let [off, size] = [0, 1e-30];
  for (let i = 0; i < found.length; i++) {
    off += (found[i]! - expected[i]!) ** 2;
    size += expected[i]! ** 2;
  }
  assert.ok(Math.sqrt(off / size) <= tolerance, `relative error ${Math.sqrt(off / size)}`);
}

function product(a: Tensor, b: Tensor): Tensor {
  const [[m, k], n] = [a.shape as [number, number], b.shape[1]!];
  const data = new Float32Array(m * n);
  for (let i = 0; i < m; i++)
    for (let j = 0; j < n; j++) {
      let sum = 0;
      for (let l = 0; l < k; l++) sum += a.data[i * k + l]! * b.data[l * n + j]!;
      data[i * n + j] = sum;
    }
  return { data, shape: [m, n] };
}
function turned(a: Tensor): Tensor {
  const [m, n] = a.shape as [number, number];
  return {
    data: Float32Array.from({ length: m * n }, (_, i) => a.data[(i % m) * n + Math.floor(i / m)]!),
    shape: [n, m],
  };
}

const kernels = suite('kernels: tucker');

kernels('N = 2 is U₁·G·U₂ᵀ', () => {
  const [core, u1, u2] = [normal(3, 2), normal(7, 3), normal(5, 2)];
  const { w } = tucker.reconstructSync({ core, factors: [u1, u2], scale: 1 });
  near(w.data, product(product(u1, core), turned(u2)).data);
});

kernels('full ranks with identities, or none at all, give the core', () => {
  const core = normal(3, 4, 2);
  assert.equal(tucker.reconstructSync({ core, factors: [identity(3), identity(4), identity(2)] }).w.data, core.data);
  assert.equal(tucker.reconstructSync({ core, factors: [null, null, null] }).w.data, core.data);
  assert.equal(
    tucker.reconstructSync({ core, factors: [null, identity(4), null], scale: 2 }).w.data,
    core.data.map((v) => 2 * v),
  );
});

kernels('the order of mode products is the cheapest of all', () => {
  const size = fc.integer({ min: 1, max: 9 });
  const modes = fc.array(fc.record({ rank: size, size }), { minLength: 1, maxLength: 5 });
  const permutations = (items: readonly number[]): number[][] =>
    items.length <= 1
      ? [[...items]]
      : items.flatMap((x) => permutations(items.filter((y) => y !== x)).map((p) => [x, ...p]));
  fc.assert(
    fc.property(modes, fc.boolean(), (list, transposed) => {
      const shape = list.map((m) => (transposed ? m.size : m.rank));
      const given = list.map((m, axis) => ({ axis, factor: [m.size, m.rank] }));
      const costOf = (order: readonly number[]): number => {
        let [now, cost] = [shape, 0];
        for (const i of order) {
          cost += productCost(now, given[i]!, transposed);
          now = withAxis(now, i, transposed ? list[i]!.rank : list[i]!.size);
        }
        return cost;
      };
      const best = costOf(bestOrder(shape, given, transposed));
      assert.is(best, Math.min(...permutations(list.map((_, i) => i)).map(costOf)));
    }),
    { numRuns: 60 },
  );
});

kernels('linear is x times the made weight, with and without a base, factored or not', () => {
  for (const [ranks, scale] of [
    [[3, 2], 0.5],
    [[10, 14], 1],
  ] as const) {
    const [x, core, uOut, uIn, base] = [
      normal(6, 15),
      normal(...ranks),
      normal(11, ranks[0]),
      normal(15, ranks[1]),
      normal(11, 15),
    ];
    const { w } = tucker.reconstructSync({ core, factors: [uOut, uIn], scale });
    near(tucker.linearSync({ x, uIn, core, uOut, scale }).y.data, product(x, turned(w)).data);
    const whole = { shape: w.shape, data: w.data.map((v, i) => v + base.data[i]!) };
    near(tucker.linearSync({ x, uIn, core, uOut, scale, base }).y.data, product(x, turned(whole)).data);
  }
  const [x, core, uIn] = [normal(4, 9), normal(5, 3), normal(9, 3)];
  const { w } = tucker.reconstructSync({ core, factors: [null, uIn] });
  near(tucker.linearSync({ x, uIn, core }).y.data, product(x, turned(w)).data);
});

kernels('conv agrees with the base that its weight is, and gradients with those of the made weight', async () => {
  const x = normal(2, 6, 7, 20);
  const [core, uOut, uIn, uH] = [normal(3, 2, 3, 4), normal(18, 3), normal(20, 4), normal(3, 2)];
  const given = { x, core, uOut, uK: [uH, null], uIn, scale: 0.25, padding: 1 };
  const { y, ctx } = await tucker.conv(given);
  const { w, ctx: made } = await tucker.reconstruct({ core, factors: [uOut, uH, null, uIn], scale: 0.25 });
  const zero = { ...given, base: w, core: tensor(new Float32Array(core.data.length), core.shape) };
  const dense = await tucker.conv(zero);
  near(y.data, dense.y.data);
  const dy = normal(...y.shape);
  const grads = await tucker.backward(ctx, { dy });
  const alone = await tucker.backward(dense.ctx, { dy });
  near(grads.dx.data, alone.dx.data);
  const through = await tucker.backward(made, { dw: alone.dbase! });
  near(grads.dcore.data, through.dcore.data);
  near(grads.duOut!.data, through.dfactors[0]!.data);
  near(grads.duK[0]!.data, through.dfactors[1]!.data);
  near(grads.duIn!.data, through.dfactors[3]!.data);
  assert.equal(tucker.convSync({ ...given, threads: 3 }).y.data, y.data);
});

kernels('errors name the argument', () => {
  const core = normal(3, 2);
  const reconstruct = (factors: (Tensor | null)[]) => fault(() => tucker.reconstructSync({ core, factors })).message;
  assert.match(
    reconstruct([normal(2, 3), null]),
    /^factors\[0\]: expected f32\[I, r\] with r from 1 to I, found f32\[2, 3\]/,
  );
  assert.match(reconstruct([null, normal(5, 3)]), /^factors\[1\]: expected f32\[I, r\] with r = 2/);
  assert.match(reconstruct([null]), /^factors: expected 2 factors/);
  const [x, uIn, uOut] = [normal(4, 9), normal(9, 2), normal(5, 3)];
  assert.is(fault(() => tucker.linearSync({ x: normal(4, 8), uIn: null, core, uOut })).argument, 'x');
  assert.is(fault(() => tucker.linearSync({ x, uIn, core, uOut, base: normal(9, 5) })).argument, 'base');
  const image = normal(1, 5, 5, 9);
  const small = normal(3, 3, 3, 2);
  assert.is(fault(() => tucker.convSync({ x: image, core, uOut, uK: [], uIn })).argument, 'core');
  assert.is(fault(() => tucker.convSync({ x: image, core: small, uOut, uK: [null], uIn })).argument, 'uK');
  assert.is(
    fault(() => tucker.convSync({ x: image, core: small, uOut, uK: [null, null], uIn, stride: 0 })).argument,
    'stride',
  );
  const wide = { core: small, uOut, uK: [normal(4, 3), normal(3, 3)], uIn };
  assert.match(
    fault(() => tucker.convSync({ ...wide, x: image, dilation: 2 })).message,
    /^x: expected at least 7 along axis 1/,
  );
});

kernels('zero sizes', () => {
  const [core, uIn, uOut] = [normal(2, 2), normal(3, 2), normal(4, 2)];
  assert.equal(tucker.linearSync({ x: normal(0, 3), uIn, core, uOut }).y.shape, [0, 4]);
});

kernels.run();

import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Random } from '../../src/base/philox.ts';
import { kronecker, TenonError, tensor } from '../../src/kernels/index.ts';
import type { Tensor } from '../../src/kernels/index.ts';
import { ALGEBRAS } from '../../src/ops/lib/algebras.ts';
import type { AlgebraName } from '../../src/ops/lib/algebras.ts';
import { fault } from '../support/fault.ts';

const random = new Random('kronecker');
const normal = (...shape: number[]): Tensor =>
  tensor(
    Float32Array.from({ length: shape.reduce((n, d) => n * d, 1) }, () => random.normal()),
    shape,
  );
const column = (values: readonly number[]): Tensor => tensor(Float32Array.from(values), [values.length, 1, 1]);

/** f·x in an algebra: a layer of one number a unit. */
function times(name: AlgebraName, f: readonly number[], x: readonly number[]): number[] {
  const n = ALGEBRAS[name];
  const { y } = kronecker.linearSync({
    x: tensor(Float32Array.from(x), [1, n]),
    A: kronecker.algebra(name),
    F: column(f),
  });
  return [...y.data];
}

function near(found: ArrayLike<number>, expected: ArrayLike<number>, tolerance = 1e-4): void {
  assert.is(found.length, expected.length);
  for (let i = 0; i < found.length; i++) {
    const off = Math.abs(found[i]! - expected[i]!) / Math.max(1, Math.abs(expected[i]!));
    assert.ok(off <= tolerance, `element ${i} is ${found[i]}, not ${expected[i]}`);
  }
}

const kernels = suite('kernels: kronecker');

kernels('worked products', () => {
  assert.equal(times('quaternion', [1, 2, 3, 4], [5, 6, 7, 8]), [-60, 12, 30, 24]);
  assert.equal(times('complex', [1, 2], [3, 4]), [-5, 10]);
  assert.equal(times('real', [3], [4]), [12]);
});

kernels('worked tables', () => {
  const hamilton = [
    [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1],
    [0, -1, 0, 0, 1, 0, 0, 0, 0, 0, 0, -1, 0, 0, 1, 0],
    [0, 0, -1, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, -1, 0, 0],
    [0, 0, 0, -1, 0, 0, -1, 0, 0, 1, 0, 0, 1, 0, 0, 0],
  ];
  assert.equal([...kronecker.algebra('quaternion').data], hamilton.flat());
  assert.equal([...kronecker.algebra('complex').data], [1, 0, 0, 1, 0, -1, 1, 0]);
  assert.equal([...kronecker.algebra('real').data], [1]);
});

const numbers = (n: number) => fc.array(fc.integer({ min: -9, max: 9 }), { minLength: n, maxLength: n });
const square = (v: readonly number[]): number => v.reduce((sum, x) => sum + x * x, 0);

kernels('|f·x| = |f|·|x| in every algebra', () => {
  for (const name of Object.keys(ALGEBRAS) as AlgebraName[]) {
    fc.assert(
      fc.property(numbers(ALGEBRAS[name]), numbers(ALGEBRAS[name]), (f, x) =>
        assert.is(square(times(name, f, x)), square(f) * square(x)),
      ),
      { numRuns: 30 },
    );
  }
});

kernels('quaternions associate, octonions alternate', () => {
  fc.assert(
    fc.property(numbers(4), numbers(4), numbers(4), (f, g, x) => {
      const left = times('quaternion', times('quaternion', f, g), x);
      assert.equal(left, times('quaternion', f, times('quaternion', g, x)));
    }),
    { numRuns: 20 },
  );
  fc.assert(
    fc.property(numbers(8), numbers(8), (f, x) => {
      assert.equal(times('octonion', times('octonion', f, f), x), times('octonion', f, times('octonion', f, x)));
    }),
    { numRuns: 20 },
  );
});

kernels('n = 1 with A = 1 is the plain layer, bit for bit, and rows do not depend on each other', () => {
  const F = normal(1, 33, 700);
  const x = normal(40, 700);
  const all = kronecker.linearSync({ x, A: kronecker.algebra('real'), F }).y;
  const image = { ...x, shape: [40, 1, 700] };
  const conv = kronecker.convSync({ x: image, A: kronecker.algebra('real'), F: { ...F, shape: [1, 33, 1, 700] } }).y;
  assert.equal(conv.data, all.data);
});

kernels('gradients are those of the made weight', async () => {
  for (const [rows, outs] of [
    [3, 40],
    [50, 7],
  ] as const) {
    const [x, A, F, bias] = [normal(rows, 15), normal(3, 3, 3), normal(3, outs, 5), normal(3 * outs)];
    const { y, ctx } = await kronecker.linear({ x, A, F, bias });
    const dy = normal(...y.shape);
    const grads = await kronecker.backward(ctx, { dy });
    assert.equal(grads.dF.shape, F.shape);
    // <dy, y> is linear in each of x, A and F.
    const inner = (a: Tensor, b: Tensor): number => a.data.reduce((sum, v, i) => sum + v * b.data[i]!, 0);
    const plain = inner(dy, y) - inner(dy, { ...y, data: y.data.map((_, i) => bias.data[i % bias.data.length]!) });
    for (const [d, v] of [
      [grads.dx, x],
      [grads.dA, A],
      [grads.dF, F],
    ] as const)
      near([inner(d, v)], [plain], 1e-3);
  }
});

kernels('convolutions in one, two and three dimensions, with groups', () => {
  const [A, F] = [normal(2, 2, 2), normal(2, 4, 3, 2)];
  const x = normal(2, 9, 8);
  const one = kronecker.convSync({ x, A, F, groups: 2, padding: 1, stride: 2 }).y;
  assert.equal(one.shape, [2, 5, 8]);
  const two = kronecker.convSync({
    x: { ...x, shape: [2, 1, 9, 8] },
    A,
    F: { ...F, shape: [2, 4, 1, 3, 2] },
    groups: 2,
    padding: [0, 1],
    stride: [1, 2],
  }).y;
  assert.equal(two.data, one.data);
  const three = kronecker.convSync({ x: normal(1, 3, 4, 5, 4), A, F: normal(2, 3, 2, 2, 2, 2) }).y;
  assert.equal(three.shape, [1, 2, 3, 4, 6]);
});

kernels('errors name the argument', () => {
  const [A, F] = [normal(2, 2, 2), normal(2, 3, 4)];
  assert.match(
    fault(() => kronecker.linearSync({ x: normal(2, 7), A, F })).message,
    /^x: expected f32\[P, C\] with C = n·4 = 8/,
  );
  assert.is(fault(() => kronecker.linearSync({ x: normal(2, 8), A: normal(3, 3, 3), F })).argument, 'F');
  assert.is(fault(() => kronecker.linearSync({ x: normal(2, 8), A, F, bias: normal(5) })).argument, 'bias');
  assert.is(fault(() => kronecker.convSync({ x: normal(2, 5, 8), A, F })).argument, 'F');
  assert.is(fault(() => kronecker.convSync({ x: normal(2, 5, 7), A, F: normal(2, 3, 3, 4) })).argument, 'x');
  const none = { x: normal(2, 0), A: normal(0, 0, 0), F: normal(0, 3, 4) };
  assert.is(fault(() => kronecker.linearSync(none)).argument, 'A');
  const conv = (more: object): TenonError =>
    fault(() => kronecker.convSync({ x: normal(1, 5, 5, 8), A, F: normal(2, 3, 3, 3, 4), ...more }));
  assert.is(conv({ x: normal(1, 5, 5, 16), groups: 2 }).argument, 'groups');
  assert.is(conv({ F: normal(2, 3, 3, 0, 4) }).argument, 'F');
  assert.match(
    conv({ x: normal(1, 0, 5, 8) }).message,
    /^x: expected at least 3 along axis 1 .*found f32\[1, 0, 5, 8\]/,
  );
  assert.match(conv({ dilation: [1, 3] }).message, /^x: expected at least 7 along axis 2/);
  assert.is(conv({ padding: 2 ** 31 }).argument, 'padding');
  assert.equal(kronecker.convSync({ x: normal(0, 5, 5, 8), A, F: normal(2, 3, 3, 3, 4) }).y.shape, [0, 3, 3, 6]);
  assert.is(fault(() => kronecker.algebra('sedenion' as never)).argument, 'name');
  const { ctx } = kronecker.linearSync({ x: normal(2, 8), A, F });
  assert.is(fault(() => kronecker.backwardSync(ctx, { dy: normal(2, 5) })).argument, 'dy');
});

kernels('zero sizes', () => {
  const A = normal(2, 2, 2);
  assert.equal(kronecker.linearSync({ x: normal(0, 4), A, F: normal(2, 3, 2) }).y.shape, [0, 6]);
  assert.equal([...kronecker.linearSync({ x: normal(2, 0), A, F: normal(2, 1, 0) }).y.data], [0, 0, 0, 0]);
});

kernels.run();

// What a program may do to arguments before, during and after a call: each a clear error or the right result, never anything else.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  hadamard,
  hadamardSync,
  johnsonLindenstrauss,
  kronecker,
  moe,
  release,
  sparseProjection,
  subspace,
  TenonError,
  tensor,
  tucker,
} from '../../src/kernels/index.ts';
import type { Tensor } from '../../src/kernels/index.ts';
import { fault } from '../support/fault.ts';

const waves = (...shape: number[]): Tensor => ({
  data: Float32Array.from({ length: shape.reduce((n, d) => n * d, 1) }, (_, i) => Math.sin(i + 1)),
  shape,
});
const detach = (data: Float32Array): void =>
  void structuredClone(data.buffer, { transfer: [data.buffer as ArrayBuffer] });

const refusal = (promise: Promise<unknown>): Promise<TenonError> =>
  promise.then(
    () => assert.unreachable('nothing was refused') as never,
    (error: unknown) => fault(() => { throw error; }), // prettier-ignore
  );

const hostile = suite('kernels: hostile callers');

hostile('arrays are what they are, not what a subclass or a property says', () => {
  const numbers = [1, 0, 1, 0, 0, 1, 1, 0];
  const transformed = [4, 2, 0, -2, 0, 2, 0, 2];
  const liars = (
    [
      ['length', 1000],
      ['length', NaN],
      ['buffer', new ArrayBuffer(4096)],
      ['buffer', null],
      ['byteOffset', 1e9],
      ['byteLength', 0],
    ] as const
  ).flatMap(([name, value]) => {
    class Liar extends Float32Array {}
    Object.defineProperty(Liar.prototype, name, { value });
    const own = new Float32Array(numbers);
    Object.defineProperty(own, name, { value });
    return [Liar.from(numbers), own];
  });
  class Thrower extends Float32Array {
    override get length(): number {
      throw new Error('no');
    }
  }
  for (const data of [...liars, new Thrower(new Float32Array(numbers).buffer)]) {
    assert.equal([...hadamardSync({ x: { data, shape: [8] } }).y.data], transformed);
    assert.equal([...hadamardSync({ x: data }).y.data], transformed);
    const memory = new Float32Array(numbers);
    const { y } = hadamardSync({ x: memory, out: data });
    assert.equal([...new Float32Array(y.data)], transformed, 'out');
    assert.is(fault(() => hadamardSync({ x: y, out: data })).argument, 'out.y');
  }
  class Hidden extends ArrayBuffer {}
  Object.defineProperty(Hidden.prototype, 'resizable', { value: false });
  const hidden = Reflect.construct(ArrayBuffer, [32, { maxByteLength: 64 }], Hidden) as ArrayBuffer;
  assert.match(fault(() => hadamardSync({ x: new Float32Array(hidden) })).found, /can be resized/);
  class Elsewhere extends Float32Array {
    override get buffer(): ArrayBuffer {
      return new ArrayBuffer(64);
    }
  }
  const x = new Elsewhere(16);
  const { ctx, y } = kronecker.linearSync({ x: { data: x, shape: [4, 4] }, A: kronecker.algebra('quaternion'), F: waves(4, 1, 1) }); // prettier-ignore
  assert.equal(kronecker.backwardSync(ctx, { dy: y }).dx.shape, [4, 4]);
});

hostile('a list is as long as it is, whatever plan was made before', () => {
  const [core, u] = [waves(3, 2), waves(4, 3)];
  const { ctx, w } = tucker.reconstructSync({ core, factors: [u, null] });
  assert.is(fault(() => tucker.reconstructSync({ core, factors: [u] })).argument, 'factors');
  assert.is(fault(() => tucker.reconstructSync({ core, factors: [u, null, null] })).argument, 'factors');
  const { dfactors } = tucker.backwardSync(ctx, { dw: w });
  assert.equal([dfactors.length, dfactors[1]], [2, null]);
  const none = tucker.reconstructSync({ core, factors: [null, null] });
  assert.equal(tucker.backwardSync(none.ctx, { dw: core }).dfactors, [null, null]);
  const few = tucker.reconstructSync({ core, factors: [u, null], wrt: ['core'] });
  assert.equal(Object.keys(tucker.backwardSync(few.ctx, { dw: w })), ['dcore']);
  const sparse: (Tensor | null)[] = [u];
  sparse.length = 2; // a hole is an absent one
  assert.equal(tucker.reconstructSync({ core, factors: sparse }).w, w);
});

hostile('holes in lists of numbers are refused by name', () => {
  const holed = [1];
  holed.length = 2;
  const conv = { x: waves(1, 5, 5, 4), A: kronecker.algebra('complex'), F: waves(2, 3, 3, 3, 2) };
  assert.is(fault(() => kronecker.convSync({ ...conv, stride: holed })).argument, 'stride[1]');
  const lambda = waves(2);
  assert.is(fault(() => subspace.projectSync({ v: waves(1), D: 2, lambda, sizes: holed })).argument, 'sizes[1]');
});

const layer = () => ({ x: waves(6, 5), router: waves(5, 3), w1: waves(3, 7, 5), w2: waves(3, 5, 7) });

hostile('moe reads its arguments once, before it runs', async () => {
  const { counts, dropped, aux } = moe.forwardSync(layer());
  const changed: { w1: unknown } & Omit<ReturnType<typeof layer>, 'w1'> = layer();
  const running = moe.forward(changed as never);
  changed.w1 = undefined;
  const found = await running;
  assert.equal([found.counts, found.dropped, found.aux], [counts, dropped, aux]);
  let reads = 0;
  const { w1 } = layer();
  const counting = { ...layer(), get w1() { return reads++ === 0 ? w1 : (7 as never); } }; // prettier-ignore
  assert.equal((await moe.forward(counting)).counts, counts);
  const shaped = layer();
  const other = moe.forward(shaped);
  (shaped.w1.shape as number[])[0] = 1e9;
  assert.equal((await other).counts, counts);
});

hostile('a ctx is one that a forward call gave', async () => {
  const { ctx, y: dy } = kronecker.linearSync({ x: waves(2, 8), A: kronecker.algebra('complex'), F: waves(2, 3, 4) });
  const wrong = [new Proxy(ctx, {}), Object.create(ctx), Object.create(Object.getPrototypeOf(ctx) as object), structuredClone(ctx), null]; // prettier-ignore
  for (const forged of wrong) {
    assert.is(fault(() => kronecker.backwardSync(forged as typeof ctx, { dy })).argument, 'ctx');
    assert.is((await refusal(kronecker.backward(forged as typeof ctx, { dy }))).argument, 'ctx');
  }
  assert.throws(() => ((ctx as { kernel: string }).kernel = 'subspace.project'), TypeError);
  assert.is(fault(() => subspace.backwardSync(ctx, { dy })).argument, 'ctx');
  const first = kronecker.backwardSync(ctx, { dy });
  assert.equal(await kronecker.backward(ctx, { dy }), first, 'twice');
});

hostile('arrays that go away during a call', async () => {
  const { y } = moe.forwardSync(layer());
  const pulled = layer();
  const running = moe.forward(pulled);
  detach(pulled.x.data);
  const found = await running;
  assert.equal(found.y, y);
  assert.is(fault(() => moe.backwardSync(found.ctx, { dy: y })).argument, 'x');
  const [x, out] = [waves(1024), new Float32Array(1024)];
  const writing = hadamard({ x, out });
  detach(out);
  assert.is((await refusal(writing)).argument, 'out.y');
  const held = tensor(waves(2 ** 16).data);
  const late = hadamard({ x: held });
  const expected = hadamardSync({ x: held }).y;
  release(held);
  assert.equal((await late).y, expected);
  assert.match(fault(() => hadamardSync({ x: held })).found, /detached/);
});

hostile('numbers are named as they are', () => {
  assert.is(fault(() => hadamardSync({ x: waves(2), threads: 1n as never })).found, '1n');
  assert.is(fault(() => subspace.projectSync({ v: waves(1), D: 2, seed: 2n ** 64n })).found, `${2n ** 64n}n`);
  assert.is(fault(() => hadamardSync({ x: waves(2), out: [] as never })).argument, 'out');
  assert.is(fault(() => johnsonLindenstrauss({ points: 10, distortion: 1e-200 })).argument, 'distortion');
  const empty = (...shape: number[]): Tensor => ({ data: new Float32Array(0), shape });
  assert.is(fault(() => sparseProjection.denseSync({ x: empty(2 ** 44, 0), k: 1 })).argument, 'x.shape[0]');
  assert.is(fault(() => sparseProjection.denseSync({ x: empty(0, 2 ** 40), k: 3 })).argument, 'x');
});

hostile.run();

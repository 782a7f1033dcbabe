import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Random } from '../../src/base/philox.ts';
import { maybe, option, readWhole, tensorOf, tensorsOf } from '../../src/kernels/args.ts';
import { TenonError } from '../../src/kernels/error.ts';
import { INTEGERS } from '../../src/kernels/def.ts';
import { backwardOf, defineKernel } from '../../src/kernels/kernel.ts';
import { Cache } from '../../src/kernels/plans.ts';
import { tensor } from '../../src/kernels/tensor.ts';
import type { Tensor } from '../../src/kernels/tensor.ts';
import { add, gelu, mul } from '../../src/ops/elementwise.ts';
import { gatherRows } from '../../src/ops/gather.ts';
import { matmul } from '../../src/ops/matmul.ts';
import { maxpool } from '../../src/ops/pool.ts';
import { sum } from '../../src/ops/reduce.ts';
import { reshape } from '../../src/ops/shape.ts';
import { fault } from '../support/fault.ts';

const random = new Random('kernels');
const normal = (...shape: number[]): Tensor =>
  tensor(
    Float32Array.from({ length: shape.reduce((n, d) => n * d, 1) }, () => random.normal()),
    shape,
  );

/** gelu(x·w + bias)·Σ… through a list of factors: every kind of argument in one kernel. */
const chain = defineKernel({
  name: 'chain',
  args: {
    x: tensorOf('f32[rows, n]'),
    w: tensorOf('f32[n, out]'),
    bias: maybe('f32[out]'),
    factors: tensorsOf('f32[out]'),
    times: option({ read: readWhole(0, 3), default: 1 }),
  },
  outputs: { y: 'dy', total: 'dTotal' },
  build: (b, { x, w, bias, factors, times }) => {
    let h = b.one(matmul, [x, w], { transA: 0, transB: 0 });
    if (bias) h = b.one(add, [h, bias]);
    let y = b.one(gelu, [h]);
    factors.forEach((f, i) => {
      for (let k = 0; f && k < (i === 0 ? times : 1); k++) y = b.one(mul, [y, f]);
    });
    return { y, total: b.one(reshape, [b.one(sum, [y], { axes: 3 })], { dims: [1] }) };
  },
});
const { backward, backwardSync } = backwardOf(chain);

const call = () => ({
  x: normal(3, 5),
  w: normal(5, 4),
  bias: normal(4),
  factors: [normal(4), null, normal(4)],
  times: 2,
});

const kernels = suite('kernels: machinery');

kernels('the twins give the same bits, for any number of threads', async () => {
  const args = call();
  const first = chain.callSync(args);
  for (const threads of [1, 2, 3]) {
    const again = await chain.call({ ...args, threads });
    assert.equal(again.y, first.y);
    assert.equal(again.total, first.total);
  }
  assert.equal(first.y.shape, [3, 4]);
  assert.equal(first.total.shape, [1]);
});

kernels('gradients are the slopes', async () => {
  const args = call();
  const { ctx, y } = chain.callSync(args);
  const dy = normal(...y.shape);
  const found = await backward(ctx, { dy, dTotal: 0.5 });
  assert.equal(backwardSync(ctx, { dy, dTotal: 0.5 }), found);
  assert.equal(Object.keys(found).sort(), ['dbias', 'dfactors', 'dw', 'dx']);
  assert.is(found.dfactors.length, 3);
  assert.is(found.dfactors[1], null);
  const loss = (): number => {
    const out = chain.callSync({ ...args, wrt: [] });
    return out.y.data.reduce((s, v, i) => s + v * dy.data[i]!, 0) + 0.5 * out.total.data[0]!;
  };
  const pairs: [Tensor, Tensor][] = [
    [args.x, found.dx],
    [args.w, found.dw],
    [args.bias, found.dbias!],
    [args.factors[0]!, found.dfactors[0]!],
    [args.factors[2]!, found.dfactors[2]!],
  ];
  for (const [t, d] of pairs) {
    assert.equal(t.shape, d.shape);
    t.data.forEach((old, i) => {
      t.data[i] = old + 2 ** -8;
      const above = loss();
      t.data[i] = old - 2 ** -8;
      const slope = (above - loss()) * 2 ** 7;
      t.data[i] = old;
      assert.ok(Math.abs(slope - d.data[i]!) < 5e-3 * Math.max(1, Math.abs(slope)), `${slope} and ${d.data[i]}`);
    });
  }
});

kernels('what flows back is zero where it is not said', () => {
  const args = call();
  const { ctx } = chain.callSync(args);
  const whole = backwardSync(ctx, { dy: normal(3, 4), dTotal: 0 }).dx.data;
  assert.ok(whole.some((v) => v !== 0));
  const part = backwardSync(ctx, { dTotal: 1 });
  assert.equal(part, backwardSync(ctx, { dTotal: [1].map((v) => Float32Array.of(v))[0]!, dy: new Float32Array(12) }));
});

kernels('wrt: only what is asked for', () => {
  const args = call();
  const { ctx } = chain.callSync({ ...args, wrt: ['bias', 'factors'] });
  const all = chain.callSync(args);
  const dy = normal(3, 4);
  const [few, whole] = [backwardSync(ctx, { dy }), backwardSync(all.ctx, { dy })];
  assert.equal(Object.keys(few).sort(), ['dbias', 'dfactors']);
  assert.equal(few.dbias!.shape, [4]);
  few.dbias!.data.forEach((v, i) => assert.ok(Math.abs(v - whole.dbias!.data[i]!) < 1e-5));
  assert.not.ok(chain.callSync({ ...args, wrt: [] }).ctx);
  const wrong = fault(() => chain.callSync({ ...args, wrt: ['bia'] }));
  assert.is(wrong.argument, 'wrt');
  assert.match(wrong.message, /did you mean `bias`/);
});

kernels('out: results in memory that is given', async () => {
  const args = call();
  const [y, total] = [normal(3, 4), new Float32Array(1)];
  const out = await chain.call({ ...args, out: { y, total } });
  assert.is(out.y.data, y.data);
  assert.is(out.total.data, total);
  const { y: plain } = chain.callSync(args);
  assert.equal(y.data, plain.data);
  const dx = normal(3, 5);
  assert.is(backwardSync(out.ctx, { dy: plain, out: { dx } }).dx.data, dx.data);
  assert.is(fault(() => chain.callSync({ ...args, out: { y: args.x } })).argument, 'out.y');
  assert.is(fault(() => chain.callSync({ ...args, out: { y: { data: args.x.data.subarray(2, 14), shape: [3, 4] } } })).found, 'the memory of x'); // prettier-ignore
  assert.is(fault(() => chain.callSync({ ...args, out: { Y: y } as never })).argument, 'out.Y');
  assert.is(fault(() => chain.callSync({ ...args, out: 3 as never })).argument, 'out');
  assert.is(fault(() => chain.callSync({ ...args, out: { y, total: y.data.subarray(0, 1) } })).code, 'TENON_BAD_ARGUMENT'); // prettier-ignore
});

kernels('whole numbers come out as such', () => {
  const pool = defineKernel({
    name: 'pool',
    args: { x: tensorOf('f32[b, d, h, w, c]') },
    outputs: { y: 'dy', index: INTEGERS },
    build: (b, { x }) => {
      const attrs = { kernel: [1, 1, 2], stride: [1, 1, 2], padBefore: [0, 0, 0], padAfter: [0, 0, 0] };
      const [y, index] = b.apply(maxpool, [x], attrs);
      return { y: y!, index: index! };
    },
  });
  const { y, index, ctx } = pool.callSync({ x: tensor([1, 2, 4, 3], [1, 1, 1, 4, 1]) });
  assert.equal([...y.data], [2, 4]);
  assert.instance(index.data, Int32Array);
  const { dx } = backwardOf(pool).backwardSync(ctx, { dy: new Float32Array([5, 7]) });
  assert.equal([...dx.data], [0, 5, 7, 0]);
  assert.is(fault(() => backwardSync(ctx as never, { dy: y } as never)).argument, 'ctx');
});

kernels('indices are checked as they are used', async () => {
  const rows = defineKernel({
    name: 'rows',
    args: { table: tensorOf('f32[rows, n]'), index: tensorOf('i32[k]') },
    outputs: { y: 'dy' },
    build: (b, { table, index }) => ({ y: b.one(gatherRows, [table, index]) }),
  });
  const table = normal(3, 2);
  const { y, ctx } = rows.callSync({ table, index: tensor(Int32Array.of(2, 0)) });
  assert.equal([...y.data], [...table.data.subarray(4), ...table.data.subarray(0, 2)]);
  assert.equal(Object.keys(backwardOf(rows).backwardSync(ctx, { dy: y })), ['dtable']);
  assert.is(fault(() => rows.callSync({ table, index: Int32Array.of(3) })).code, 'TENON_BAD_INDEX');
  assert.is((await refusal(rows.call({ table, index: Int32Array.of(-1) }))).code, 'TENON_BAD_INDEX');
});

/** Why a call was refused. */
const refusal = (promise: Promise<unknown>): Promise<TenonError> =>
  promise.then(
    () => assert.unreachable('nothing was refused') as never,
    (error: unknown) => error as TenonError,
  );

const detached = (): Float32Array => {
  const array = new Float32Array(4);
  structuredClone(array.buffer, { transfer: [array.buffer] });
  return array;
};
const resizable = Reflect.construct(ArrayBuffer, [16, { maxByteLength: 32 }]) as ArrayBuffer;

/** What is wrong with a call, the argument that is named, and the code. */
const WRONG: readonly (readonly [Record<string, unknown>, string, string])[] = [
  [{ x: undefined }, 'x', 'TENON_BAD_TYPE'],
  [{ x: 3 }, 'x', 'TENON_BAD_TYPE'],
  [{ x: [[1]] }, 'x', 'TENON_BAD_TYPE'],
  [{ x: {} }, 'x.shape', 'TENON_BAD_TYPE'],
  [{ x: { data: new Float64Array(15), shape: [3, 5] } }, 'x.data', 'TENON_BAD_TYPE'],
  [{ x: { data: new Float32Array(15), shape: [3, 4] } }, 'x.shape', 'TENON_BAD_SHAPE'],
  [{ x: { data: new Float32Array(15), shape: '3,5' } }, 'x.shape', 'TENON_BAD_TYPE'],
  [{ x: { data: new Float32Array(15), shape: [3.5, 5] } }, 'x.shape[0]', 'TENON_BAD_ARGUMENT'],
  [{ x: { data: new Float32Array(15), shape: [-3, -5] } }, 'x.shape[0]', 'TENON_BAD_ARGUMENT'],
  [{ x: { data: new Float32Array(15), shape: [NaN] } }, 'x.shape[0]', 'TENON_BAD_ARGUMENT'],
  [{ x: { data: new Float32Array(15), shape: [Infinity] } }, 'x.shape[0]', 'TENON_BAD_ARGUMENT'],
  [{ x: { data: new Float32Array(0), shape: [2 ** 53, 0] } }, 'x.shape[0]', 'TENON_BAD_ARGUMENT'],
  [{ x: { data: new Float32Array(0), shape: [2 ** 30, 0, 2 ** 30] } }, 'x.shape', 'TENON_BAD_SHAPE'],
  [{ x: { data: new Float32Array(1), shape: new Array(9).fill(1) } }, 'x.shape', 'TENON_BAD_SHAPE'],
  [{ x: normal(15) }, 'x', 'TENON_BAD_SHAPE'],
  [{ w: normal(4, 4) }, 'w', 'TENON_BAD_SHAPE'],
  [{ bias: normal(5) }, 'bias', 'TENON_BAD_SHAPE'],
  [{ bias: detached() }, 'bias', 'TENON_BAD_TYPE'],
  [{ bias: new Float32Array(new SharedArrayBuffer(16)) }, 'bias', 'TENON_BAD_TYPE'],
  [{ bias: new Float32Array(resizable) }, 'bias', 'TENON_BAD_TYPE'],
  [{ factors: normal(4) }, 'factors', 'TENON_BAD_TYPE'],
  [{ factors: [null, 7] }, 'factors[1]', 'TENON_BAD_TYPE'],
  [{ factors: [null, normal(2, 2)] }, 'factors[1]', 'TENON_BAD_SHAPE'],
  [{ factors: [normal(3)] }, 'arguments', 'TENON_BAD_SHAPE'],
  [{ times: 4 }, 'times', 'TENON_BAD_ARGUMENT'],
  [{ times: 0.5 }, 'times', 'TENON_BAD_ARGUMENT'],
  [{ times: NaN }, 'times', 'TENON_BAD_ARGUMENT'],
  [{ times: '1' }, 'times', 'TENON_BAD_TYPE'],
  [{ threads: 0 }, 'threads', 'TENON_BAD_ARGUMENT'],
  [{ tims: 1 }, 'tims', 'TENON_BAD_ARGUMENT'],
  [{ wrt: 'x' }, 'wrt', 'TENON_BAD_TYPE'],
];

kernels('every error names its argument, in both twins', async () => {
  for (const [wrong, argument, code] of WRONG) {
    const args = { ...call(), ...wrong };
    const error = fault(() => chain.callSync(args));
    assert.is(error.argument, argument, error.message);
    assert.is(error.code, code, error.message);
    assert.ok(error.expected && error.found, error.message);
    assert.is((await refusal(chain.call(args))).message, error.message);
  }
  for (const none of [undefined, null, 3, [1], 'x']) assert.is(fault(() => chain.callSync(none as never)).argument, 'arguments'); // prettier-ignore
  assert.match(fault(() => chain.callSync({ ...call(), tims: 1 } as never)).message, /did you mean `times`/);
  const { ctx } = chain.callSync(call());
  assert.is(fault(() => backwardSync(ctx, {})).argument, 'dy');
  assert.is(fault(() => backwardSync(ctx, { dy: normal(4, 3) })).argument, 'dy');
  assert.is(fault(() => backwardSync(ctx, { dY: 3 } as never)).argument, 'dY');
  assert.is(fault(() => backwardSync({} as never, {})).argument, 'ctx');
});

kernels('getters run once, and what they pull away is noticed', () => {
  const args = call();
  const data = new Float32Array(15);
  const hostile = {
    ...args,
    x: { data, shape: [3, 5] },
    get times() {
      structuredClone(data.buffer, { transfer: [data.buffer] });
      return 1;
    },
  };
  assert.is(fault(() => chain.callSync(hostile)).argument, 'x');
});

kernels('backward notices other data in tensors that it reads', async () => {
  const args = call();
  const { ctx, y } = await chain.call(args);
  backwardSync(ctx, { dy: y });
  args.x.data.fill(3);
  const error = fault(() => backwardSync(ctx, { dy: y }));
  assert.is(error.argument, 'x');
  assert.is(error.found, 'other numbers');
  const data = new Float32Array(15).fill(2);
  const before = data.slice();
  const running = chain.call({ ...call(), x: { data, shape: [3, 5] } });
  data.fill(4); // the call has its copy
  const late = await running;
  assert.is(fault(() => backwardSync(late.ctx, { dy: y })).argument, 'x');
  data.set(before);
  assert.equal(backwardSync(late.ctx, { dy: y }).dx.shape, [3, 5]);
});

kernels('sizes of 0', () => {
  const args = { x: normal(0, 5), w: normal(5, 4), factors: [] };
  const { y, total, ctx } = chain.callSync(args);
  assert.equal(y.shape, [0, 4]);
  assert.is(total.data[0], 0);
  assert.equal(backwardSync(ctx, { dTotal: 1 }).dw.data, new Float32Array(20));
});

kernels('tensor(): arrays, nested arrays, shapes', () => {
  assert.equal(tensor([[1, 2], [3, 4]]).shape, [2, 2]); // prettier-ignore
  assert.equal(tensor(Int32Array.of(1, 2)).data, Int32Array.of(1, 2));
  assert.equal(tensor([]).shape, [0]);
  assert.equal(tensor([1, 2, 3, 4], [2, 2]).shape, [2, 2]);
  const source = new Float32Array([1, 2]);
  const copy = tensor(source);
  source[0] = 7;
  assert.is(copy.data[0], 1);
  assert.is(fault(() => tensor([[1, 2], [3]])).argument, 'data[1]'); // prettier-ignore
  assert.is(fault(() => tensor([1, [3]] as never)).argument, 'data[1]');
  assert.is(fault(() => tensor([1, 2], [3])).argument, 'shape');
  assert.is(fault(() => tensor(7 as never)).argument, 'data');
  assert.is(fault(() => tensor(new Float32Array(2), [2 ** 53])).argument, 'shape[0]');
});

kernels('plans are kept by weight, the least recently used let go first', () => {
  const cache = new Cache<{ readonly weight: number }>(10);
  const made: string[] = [];
  const get = (key: string, weight = 4): unknown => cache.get(key, () => (made.push(key), { weight }));
  for (const key of ['a', 'b', 'a', 'c', 'a', 'b']) get(key);
  assert.equal(made, ['a', 'b', 'c', 'b']);
  get('huge', 100);
  assert.is(cache.size, 1);
});

kernels.run();

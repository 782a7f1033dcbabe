import { constants } from 'node:buffer';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { allocate, info, openStore, prepare } from '../../src/native/native.ts';
import { errorOf, rawPlan, rejectionOf, unaryPlan } from '../support/raw-plan.ts';

const run = suite('runs');

run('a plan of one step, both ways', async () => {
  const plan = prepare(unaryPlan('relu', 2, 3));
  const x = Float32Array.of(-1, 2, -3, 4, 0, 5);
  const sync = new Float32Array(6),
    async = new Float32Array(6);
  const done = plan.runSync(null, [x, sync]);
  assert.is(done.steps, 1);
  assert.ok(done.seconds >= 0);
  await plan.run(null, [x, async]);
  assert.equal([...sync], [0, 2, 0, 4, 0, 5]);
  assert.equal([...async], [...sync]);
  plan.close();
  assert.is(errorOf(() => plan.runSync(null, [x, sync])).code, 'TENON_CLOSED');
});

run('an empty plan and empty tensors', async () => {
  const none = prepare(rawPlan({}));
  assert.equal([none.arenaBytes, none.steps], [0, 0]);
  assert.is((await none.run(null, [], { steps: 3 })).steps, 3);
  const empty = prepare(unaryPlan('relu', 0, 3));
  empty.runSync(null, [new Float32Array(0), new Float32Array(0)]);
  await empty.run(null, [new Float32Array(0), new Float32Array(0)]);
});

// y = relu(affine(x)) through the arena.
const chain = rawPlan({
  arenaBytes: 128,
  views: [
    { place: 'external', dims: [5] },
    { place: 'arena', offset: 64, dims: [5], written: true },
    { place: 'external', ref: 1, dims: [5], written: true },
  ],
  steps: [
    { op: 'affine', inputs: [0], outputs: [1], attrs: [2, -3] },
    { op: 'relu', inputs: [1], outputs: [2] },
  ],
});

run('the arena carries values between steps; profile gives times', async () => {
  const y = new Float32Array(5);
  const { nanoseconds } = await prepare(chain).run(null, [Float32Array.of(0, 1, 2, 3, 4), y], { profile: true });
  assert.equal([...y], [0, 0, 1, 3, 5]);
  assert.is(nanoseconds!.length, 2);
  assert.ok(nanoseconds!.every((t) => t >= 0));
});

run('every instruction set', () => {
  for (const isa of info().isas) {
    const y = new Float32Array(5);
    prepare(chain, isa).runSync(null, [Float32Array.of(0, 1, 2, 3, 4), y]);
    assert.equal([...y], [0, 0, 1, 3, 5], isa);
  }
  const error = errorOf(() => prepare(chain, 'sse9'));
  assert.match(error.message, /sse9/);
  assert.match(error.expected, new RegExp(info().isa));
});

run('a row per step', async () => {
  const plan = prepare(
    rawPlan({
      views: [
        { place: 'external', dims: [2], perStep: true },
        { place: 'external', ref: 1, dims: [2], perStep: true, written: true },
      ],
      steps: [{ op: 'neg', inputs: [0], outputs: [1] }],
    }),
  );
  const x = Float32Array.of(1, 2, 3, 4, 5, 6, 7);
  const y = new Float32Array(6).fill(9);
  assert.is((await plan.run(null, [x, y], { steps: 3 })).steps, 3);
  assert.equal([...y], [-1, -2, -3, -4, -5, -6]);
  const error = errorOf(() => plan.runSync(null, [x, y], { steps: 4 }));
  assert.is(error.argument, 'externals[0]');
  assert.match(error.expected, /32 bytes/);
});

run('large arrays on many threads: the same bits', () => {
  const n = 300_001;
  const x = Float32Array.from({ length: n }, (_, i) => Math.sin(i));
  const plan = prepare(unaryPlan('square', n));
  const results = [1, 2, 3, 5].map((threads) => {
    const y = new Float32Array(n);
    plan.runSync(null, [x, y], { threads });
    return y;
  });
  assert.is(results[0]![1000], Math.fround(x[1000]! * x[1000]!));
  for (const y of results) assert.ok(Buffer.from(y.buffer).equals(Buffer.from(results[0]!.buffer)));
});

// 70 rows by 90 columns by 50.
const product = rawPlan({
  views: [
    { place: 'external', dims: [70, 50] },
    { place: 'external', ref: 1, dims: [50, 90] },
    { place: 'external', ref: 2, dims: [70, 90], written: true },
  ],
  steps: [{ op: 'matmul', inputs: [0, 1], outputs: [2], attrs: [0n, 0n, 0n] }],
});

run('a product, the same plan on other numbers of threads from call to call and at once: the same bits', async () => {
  const plan = prepare(product);
  const [a, b] = [70 * 50, 50 * 90].map((n) => Float32Array.from({ length: n }, (_, i) => Math.sin(i)));
  const fresh = (): Float32Array => new Float32Array(70 * 90);
  const expected = fresh();
  plan.runSync(null, [a!, b!, expected], { threads: 1 });
  const exact = a!.slice(0, 50).reduce((sum, x, k) => sum + x * b![k * 90]!, 0);
  assert.ok(Math.abs(expected[0]! - exact) < 1e-4);
  for (const threads of [3, 1, 2, 200, 1, 5, 3]) {
    const y = fresh();
    plan.runSync(null, [a!, b!, y], { threads });
    assert.equal(y, expected, `${threads} threads`);
  }
  const results = Array.from({ length: 24 }, async (_, k) => {
    const y = fresh();
    await plan.run(null, [a!, b!, y], { threads: 1 + (k % 4) });
    return y;
  });
  for (const y of await Promise.all(results)) assert.equal(y, expected);
});

run('several runs at once', async () => {
  const n = 50_000;
  const plan = prepare(unaryPlan('neg', n));
  const runs = Array.from({ length: 24 }, async (_, k) => {
    const y = new Float32Array(n);
    await plan.run(null, [new Float32Array(n).fill(k), y], { steps: 5, threads: 1 + (k % 4) });
    return y.every((v) => v === -k);
  });
  assert.ok((await Promise.all(runs)).every(Boolean));
});

run('allocated memory is used in place', async () => {
  const plan = prepare(unaryPlan('neg', 4));
  const x = new Float32Array(allocate(16)),
    y = new Float32Array(allocate(64), 16, 4);
  assert.equal([...x], [0, 0, 0, 0]);
  x.set([1, 2, 3, 4]);
  await plan.run(null, [x, y]);
  assert.equal([...y], [-1, -2, -3, -4]);
  assert.is(allocate(0).byteLength, 0);
});

run('a foreign array may change while it runs; results come at the end', async () => {
  const plan = prepare(unaryPlan('neg', 4));
  const x = Float32Array.of(1, 2, 3, 4),
    y = new Float32Array(4);
  const done = plan.run(null, [x, y]);
  x.fill(7);
  structuredClone(x.buffer, { transfer: [x.buffer] });
  await done;
  assert.equal([...y], [-1, -2, -3, -4]);

  const gone = new Float32Array(4);
  const late = plan.run(null, [Float32Array.of(1, 2, 3, 4), gone]);
  structuredClone(gone.buffer, { transfer: [gone.buffer] });
  const error = await rejectionOf(late);
  assert.is(error.argument, 'externals[1]');
  assert.match(error.message, /detached/);
});

run('too much memory is refused with figures', async () => {
  const plan = prepare(rawPlan({ arenaBytes: 2 ** 45 }));
  const error = await rejectionOf(plan.run(null, []));
  assert.is(error.code, 'TENON_NO_MEMORY');
  assert.match(error.message, /32\.0 TiB free, found .*B/);
  assert.is(errorOf(() => allocate(2 ** 36)).code, 'TENON_NO_MEMORY');
  // Node may refuse a buffer that there is memory for; then it calls the finalizer by itself.
  if (constants.MAX_LENGTH < 2 ** 33) {
    assert.is(errorOf(() => allocate(constants.MAX_LENGTH + 64, false)).code, 'TENON_NO_MEMORY');
    await new Promise((done) => setImmediate(done));
  }
});

run('an index outside its table', async () => {
  const plan = prepare(
    rawPlan({
      names: ['embed'],
      views: [
        { place: 'external', dims: [3, 2] },
        { place: 'external', ref: 1, dims: [2], dtype: 'i32' },
        { place: 'external', ref: 2, dims: [2, 2], written: true },
      ],
      steps: [{ op: 'gather_rows', inputs: [0, 1], outputs: [2], name: 0 }],
    }),
  );
  const table = Float32Array.of(1, 2, 3, 4, 5, 6);
  const y = new Float32Array(4);
  await plan.run(null, [table, Int32Array.of(2, 0), y]);
  assert.equal([...y], [5, 6, 1, 2]);
  for (const bad of [3, -1, 2 ** 31 - 1, -(2 ** 31)]) {
    const error = await rejectionOf(plan.run(null, [table, Int32Array.of(0, bad), y]));
    assert.is(error.code, 'TENON_BAD_INDEX');
    assert.equal([error.step, error.op, error.layer], [0, 'gather_rows', 'embed']);
    assert.is(errorOf(() => plan.runSync(null, [table, Int32Array.of(0, bad), y])).code, 'TENON_BAD_INDEX');
  }
});

run.run();

// x <- 2 x + 1 in the store: its result tells how often, and that nothing was lost.
const doubling = rawPlan({
  names: ['x'],
  views: [{ place: 'store', dims: [2], written: true }],
  steps: [{ op: 'affine', inputs: [0], outputs: [0], attrs: [2, 1] }],
});
const values = (data: ArrayBuffer): number[] => [...new Float32Array(data)];

const stores = suite('stores');

stores('write, read, list, overwrite, close', async () => {
  const store = openStore();
  store.write('b', 'f32', [2, 2], Float32Array.of(1, 2, 3, 4));
  store.write('a', 'i32', [], Int32Array.of(7));
  store.write('c', 'u8', [0, 5], null);
  assert.equal(store.list(), [
    { dtype: 'i32', dims: [], name: 'a' },
    { dtype: 'f32', dims: [2, 2], name: 'b' },
    { dtype: 'u8', dims: [0, 5], name: 'c' },
  ]);
  assert.equal(values(store.read('b').data), [1, 2, 3, 4]);
  store.write('b', 'f32', [4], null);
  assert.equal(store.read('b').dims, [4]);
  assert.equal(values(store.read('b').data), [0, 0, 0, 0]);
  store.write('b', 'f32', [1], Float32Array.of(5));
  assert.equal(values(store.read('b').data), [5]);
  assert.match(errorOf(() => store.read('nope')).message, /nope/);
  await store.close();
  await store.close();
  assert.is(errorOf(() => store.list()).code, 'TENON_CLOSED');
});

stores('runs queue in order, reads come after them, close waits', async () => {
  const store = openStore();
  store.write('x', 'f32', [2], null);
  const plan = prepare(doubling);
  const runs = Array.from({ length: 8 }, () => plan.run(store, [], { steps: 2 }));
  assert.equal(values(store.read('x').data), [65535, 65535]);
  await Promise.all(runs);
  plan.runSync(store, []);
  assert.equal(values(store.read('x').data), [131071, 131071]);
  const last = plan.run(store, [], { steps: 1000 });
  let ended = false;
  void last.then(() => (ended = true));
  await store.close();
  assert.ok(ended);
});

stores('what does not fit is named', async () => {
  const plan = prepare(doubling);
  const store = openStore();
  assert.match((await rejectionOf(plan.run(null, []))).message, /a store with 'x'/);
  assert.match((await rejectionOf(plan.run(store, []))).message, /no buffer of this name/);
  store.write('x', 'f32', [3], null);
  assert.match(errorOf(() => plan.runSync(store, [])).message, /8 bytes of f32.*found f32\[3\]/);
  store.write('x', 'i32', [2], null);
  assert.match(errorOf(() => plan.runSync(store, [])).message, /found i32\[2\]/);
});

stores('stop after a step, stop at once, progress', async () => {
  const store = openStore();
  store.write('x', 'f32', [2], null);
  const plan = prepare(doubling);
  const control = new Int32Array(new SharedArrayBuffer(8));
  const long = plan.run(store, [], { steps: 2 ** 31 - 1, control });
  while (Atomics.load(control, 1) < 10) await new Promise((done) => setImmediate(done));
  Atomics.store(control, 0, 1);
  const { steps } = await long;
  assert.ok(steps >= 10 && steps < 2 ** 31 - 1);
  assert.is(control[1], steps);
  const stopped = await rejectionOf(plan.run(store, [], { steps: 5, control: new Int32Array(allocate(8)).fill(2) }));
  assert.is(stopped.code, 'TENON_CANCELLED');
  control[0] = 1;
  assert.is(plan.runSync(store, [], { steps: 5, control }).steps, 0);
});

stores.run();

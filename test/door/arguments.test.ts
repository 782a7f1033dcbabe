import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { door } from '../../src/native/load.ts';
import { errorOf, rawPlan, rejectionOf, unaryPlan } from '../support/raw-plan.ts';
import type { DoorError } from '../support/raw-plan.ts';

// Everything here breaks the types on purpose.
type Loose = Record<string, (...args: unknown[]) => unknown>;
const native = door() as unknown as Loose;
const call = (name: string, ...args: unknown[]): unknown => native[name]!(...args);
const failure = (name: string, ...args: unknown[]): DoorError => errorOf(() => call(name, ...args));

function isClear(error: DoorError): void {
  assert.ok(error instanceof Error, String(error));
  assert.match(error.code, /^TENON_/);
  assert.type(error.argument, 'string');
  assert.ok(error.message.length > 0 && error.message.length < 500, error.message);
}

const neg = call('prepare', unaryPlan('neg', 2));
const pair = (): Float32Array<ArrayBuffer>[] => [Float32Array.of(1, 2), new Float32Array(2)];
const both = ['run', 'runSync'];

const args = suite('arguments');

args('garbage for every argument of every function', () => {
  const store = call('openStore');
  const garbage = fc.oneof(
    fc.anything({ withTypedArray: true, withBigInt: true, withNullPrototype: true, withDate: true }),
    fc.constantFrom<unknown>(store, neg, null, undefined, Symbol('s'), () => 1, new Proxy({}, {}), new Proxy([], {})),
    fc.constantFrom<unknown>('x', 'f32', [2], [2, 3], -1, 2 ** 53, NaN, Infinity, 0.5, new Float32Array(2), [], {}),
  );
  const names = Object.keys(native).filter((n) => n !== 'allocate' && n !== 'close');
  fc.assert(
    fc.property(fc.constantFrom(...names), fc.array(garbage, { maxLength: 5 }), (name, list) => {
      try {
        const result = call(name, ...list);
        if (result instanceof Promise) result.catch(isClear);
      } catch (error) {
        isClear(error as DoorError);
      }
    }),
    { numRuns: 10_000 },
  );
});

args('good arguments with one of them spoilt', () => {
  const store = call('openStore');
  const good: Record<string, unknown[]> = {
    storeWrite: [store, 'x', 'f32', [2], Float32Array.of(1, 2)],
    storeRead: [store, 'x'],
    storeList: [store],
    prepare: [unaryPlan('neg', 2), 'base'],
    run: [neg, null, pair(), 1, 2, null, new Float64Array(2)],
    runSync: [neg, null, pair(), 1, 2, null, new Float64Array(2)],
    close: [call('openStore')],
    allocate: [64],
  };
  for (const [name, list] of Object.entries(good)) {
    if (name !== 'prepare' && name !== 'close') call(name, ...list);
    for (let i = 0; i < list.length; i++)
      for (const bad of [Symbol('s'), true, 2n, -1, NaN, '', {}, [], new Float64Array(3), () => 0, neg, store]) {
        if (name === 'storeWrite' && i === 3 && Array.isArray(bad)) continue;
        if ((name === 'run' || name === 'runSync') && i === 1 && bad === store) continue;
        if (i === 6 && bad instanceof Float64Array) continue;
        if (name === 'close' || (name === 'storeList' && bad === store) || (i === 0 && bad === store)) continue;
        if (i === 0 && bad === neg && name.startsWith('run')) continue;
        isClear(failure(name, ...list.with(i, bad)));
      }
  }
  for (const bad of [undefined, null, {}, [], 1, new Proxy({}, {})]) isClear(failure('close', bad));
});

args('handles of the wrong kind', () => {
  const store = call('openStore');
  assert.match(failure('runSync', store, null, []).message, /plan: wrong type: expected a plan, found an object/);
  assert.match(failure('storeList', neg).message, /store: wrong type: expected a store/);
  assert.match(failure('storeList', Object.create(store as object)).message, /expected a store/);
  assert.match(failure('storeList', new Proxy(store as object, {})).message, /expected a store/);
});

args('sizes and names', () => {
  const store = call('openStore');
  const write = (...rest: unknown[]): DoorError => failure('storeWrite', store, ...rest);
  assert.match(write('x', 'f64', [2], null).message, /'f32' \| 'i32' \| 'u8'/);
  assert.match(write('x', 'f32', [1, 1, 1, 1, 1, 1, 1, 1, 1], null).message, /at most 8/);
  assert.match(write('x', 'f32', [2 ** 40, 2 ** 40, 0], null).message, /at most 2\^46 bytes/);
  assert.is(write('x', 'f32', [-1], null).argument, 'dims[0]');
  assert.is(write('x', 'f32', [1.5], null).argument, 'dims[0]');
  assert.is(write('', 'f32', [1], null).argument, 'name');
  assert.is(write('x'.repeat(5000), 'f32', [1], null).argument, 'name');
  assert.match(write('x', 'f32', [3], new Float32Array(2)).message, /12 bytes for f32\[3\], found 8 bytes/);
  assert.match(write('x', 'f32', [2], new Int32Array(2)).message, /expected a Float32Array, found Int32Array\(2\)/);
  assert.is(write('x', 'f32', [2 ** 22, 2 ** 20], null).code, 'TENON_NO_MEMORY');
  assert.is(failure('allocate', 2 ** 37).argument, 'bytes');
  assert.equal(call('storeList', store), []);
});

args('arrays that will not do', () => {
  const detached = new Float32Array(2);
  structuredClone(detached.buffer, { transfer: [detached.buffer] });
  const buffer = new ArrayBuffer(16);
  const cases: [unknown, RegExp][] = [
    [[], /wrong number: expected 2, found 0/],
    [[...pair(), new Float32Array(2)], /expected 2, found 3/],
    [{ length: 2 }, /an array of typed arrays/],
    [[pair()[0], new Float64Array(2)], /externals\[1\].*a Float32Array, found Float64Array\(2\)/],
    [[pair()[0], new DataView(buffer)], /externals\[1\].*found an object/],
    [[pair()[0], [1, 2]], /found an array/],
    [[pair()[0], new Float32Array(1)], /externals\[1\]: wrong size: expected 8 bytes, found 4 bytes/],
    [[new Float32Array(3), pair()[1]], /externals\[0\]: wrong size/],
    [[detached, pair()[1]], /externals\[0\]: its buffer is detached/],
    [[pair()[0], detached], /externals\[1\]: its buffer is detached/],
    [[new Float32Array(new SharedArrayBuffer(8)), pair()[1]], /another thread could write/],
    [
      [new Float32Array(buffer, 0, 2), new Float32Array(buffer, 0, 2)],
      /shares memory with an external that is written/,
    ],
    [[new Float32Array(buffer, 0, 2), new Float32Array(buffer, 4, 2)], /externals\[1\]: shares memory/],
    [[new Float32Array(buffer, 8, 2), new Float32Array(buffer, 4, 2)], /shares memory/],
  ];
  for (const name of both)
    for (const [externals, message] of cases) {
      const error = failure(name, neg, null, externals);
      isClear(error);
      assert.match(error.message, message);
    }
  for (const name of both) call(name, neg, null, [new Float32Array(buffer, 0, 2), new Float32Array(buffer, 8, 2)]);
});

args('steps, threads, control, report', () => {
  const spoil = (...rest: unknown[]): DoorError => failure('runSync', neg, null, pair(), ...rest);
  assert.is(spoil(-1).argument, 'options.steps');
  assert.is(spoil(2 ** 31).argument, 'options.steps');
  assert.is(spoil('3').argument, 'options.steps');
  assert.is(spoil({}).argument, 'options.steps');
  assert.is(spoil(1, 0).argument, 'options.threads');
  assert.is(spoil(1, 257).argument, 'options.threads');
  assert.match(spoil(1, 1, new Int32Array(2)).message, /SharedArrayBuffer/);
  assert.match(spoil(1, 1, new Int32Array(new SharedArrayBuffer(4))).message, /Int32Array\(2\)/);
  assert.is(spoil(1, 1, new Float32Array(2)).argument, 'options.control');
  for (const report of [3, new Float64Array(1), new Float32Array(9)])
    assert.is(spoil(1, 1, null, report).argument, 'report');
});

args('a report is as long as it likes, and may go away', async () => {
  for (const length of [2, 3, 4]) {
    const report = new Float64Array(length).fill(-1);
    call('runSync', neg, null, pair(), 5, 1, null, report);
    assert.is(report[0], 5);
    assert.ok(report.every((t, i) => (i < 3 ? t >= 0 : t === -1)));
  }
  const report = new Float64Array(2);
  const done = call('run', neg, null, pair(), 1, 1, null, report) as Promise<void>;
  structuredClone(report.buffer, { transfer: [report.buffer] });
  assert.match((await rejectionOf(done)).message, /report: its buffer is detached/);
});

const detach = (array: Float32Array<ArrayBuffer>): void =>
  void structuredClone(array.buffer, { transfer: [array.buffer] });

args('getters that pull the memory away', () => {
  for (const name of both) {
    const x = new Float32Array(2);
    const list = [x, x];
    Object.defineProperty(list, 1, {
      get() {
        detach(x);
        return new Float32Array(2);
      },
    });
    assert.match(failure(name, neg, null, list).message, /detached/);
  }
});

args('bytes that are no plan', () => {
  for (const bytes of [new Uint8Array(0), new Uint8Array(63), new Uint8Array(64), new Uint8Array(1000).fill(255)]) {
    const error = failure('prepare', bytes);
    assert.is(error.code, 'TENON_BAD_PLAN');
    assert.match(error.argument, /^header/);
  }
  const stale = failure('prepare', rawPlan({ hash: 1n }));
  assert.match(stale.message, /run `npm run build:native`/);
  assert.is(failure('prepare', new Float32Array(16)).code, 'TENON_BAD_TYPE');
});

args.run();

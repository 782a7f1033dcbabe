import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ADDON, rawPlan, unaryPlan } from '../support/raw-plan.ts';

// Workers and processes here are plain JavaScript over the addon alone: they start fast and can be ended anywhere.
const SETUP = `
  const { workerData, parentPort } = require('node:worker_threads');
  const native = require(workerData.addon);
  const plan = native.prepare(workerData.bytes);
`;
const worker = (code: string, bytes: Uint8Array): Worker =>
  new Worker(SETUP + code, { eval: true, workerData: { addon: ADDON, bytes } });

const n = 20_000;
const neg = unaryPlan('neg', n);
const endless = rawPlan({
  names: ['x'],
  views: [{ place: 'store', dims: [4], written: true }],
  steps: [{ op: 'affine', inputs: [0], outputs: [0], attrs: [0.5, 1] }],
});

const workers = suite('workers');

workers('several at once, each with its own addon instance', async () => {
  const code = `(async () => {
    let good = 0;
    for (let k = 0; k < 50; k++) {
      const y = new Float32Array(${n});
      const threads = 1 + k % 3;
      if (k % 2) native.runSync(plan, null, [new Float32Array(${n}).fill(k), y], 1, threads);
      else await native.run(plan, null, [new Float32Array(${n}).fill(k), y], 1, threads);
      if (y.every((v) => v === -k)) good++;
    }
    parentPort.postMessage(good);
  })()`;
  const all = Array.from({ length: 6 }, () => worker(code, neg));
  const results = await Promise.all(all.map((w) => once(w, 'message')));
  assert.equal(results.flat(), Array<number>(6).fill(50));
  await Promise.all(all.map((w) => w.terminate()));
});

workers('terminate while runs are going on and queued', async () => {
  const code = `
    const store = native.openStore();
    native.storeWrite(store, 'x', 'f32', [4], null);
    for (let k = 0; k < 5; k++) native.run(plan, store, [], 2 ** 31 - 1);
    native.run(plan, null, []).catch(() => parentPort.postMessage('running'));
    native.close(store);
    setInterval(() => {}, 1000);
  `.replace(
    "native.run(plan, null, []).catch(() => parentPort.postMessage('running'));",
    "setTimeout(() => parentPort.postMessage('running'), 20);",
  );
  for (let round = 0; round < 5; round++) {
    const w = worker(code, endless);
    await once(w, 'message');
    const start = performance.now();
    await w.terminate();
    assert.ok(performance.now() - start < 2000);
  }
});

workers('terminate at any moment', async () => {
  const code = `
    const x = new Float32Array(native.allocate(4 * ${n})), y = new Float32Array(${n});
    parentPort.postMessage('ready');
    const again = () => native.run(plan, null, [x, y]).then(again);
    for (let k = 0; k < 8; k++) again();
  `;
  for (let delay = 0; delay < 16; delay++) {
    const w = worker(code, neg);
    await once(w, 'message');
    await new Promise((done) => setTimeout(done, delay));
    await w.terminate();
  }
});

// The exit code and output of a process of its own.
function inProcess(code: string, bytes: Uint8Array): { status: number | null; stdout: string; stderr: string } {
  const setup = `
    const native = require(${JSON.stringify(ADDON)});
    const plan = native.prepare(Uint8Array.from(${JSON.stringify([...bytes])}));
    const store = native.openStore();
    native.storeWrite(store, 'x', 'f32', [4], null);
  `;
  return spawnSync(process.execPath, ['-e', setup + code], { encoding: 'utf8', timeout: 20_000 });
}

workers('a process may exit while a run goes on', () => {
  const { status, stderr } = inProcess(
    `native.run(plan, store, [], 2 ** 31 - 1); setTimeout(() => process.exit(7), 50);`,
    endless,
  );
  assert.is(status, 7, stderr);
});

workers('a process ends by itself after its last run, not before', () => {
  const { status, stdout, stderr } = inProcess(
    `const report = new Float64Array(2);
     native.run(plan, store, [], 100000, 2, null, report).then(() => console.log(report[0]));`,
    endless,
  );
  assert.is(status, 0, stderr);
  assert.is(stdout.trim(), '100000');
});

workers('garbage collection of everything, with runs in progress', () => {
  const { status, stdout, stderr } = inProcess(
    `
    require('node:v8').setFlagsFromString('--expose-gc');
    const gc = require('node:vm').runInNewContext('gc');
    const bytes = Uint8Array.from(${JSON.stringify([...neg])});
    const many = [];
    for (let k = 0; k < 60; k++) {
      const p = native.prepare(bytes);
      const s = native.openStore();
      native.storeWrite(s, 'big', 'f32', [1 << 18], null);
      many.push(native.run(p, null, [new Float32Array(native.allocate(4 * ${n})), new Float32Array(native.allocate(4 * ${n}))], 20));
      if (k % 10 === 9) gc();
    }
    Promise.all(many).then(() => { gc(); console.log('done'); });
  `,
    endless,
  );
  assert.is(status, 0, stderr);
  assert.is(stdout.trim(), 'done');
});

workers.run();

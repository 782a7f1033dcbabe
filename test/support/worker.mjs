// A worker that does as the job's decisions say.
import { Buffer } from 'node:buffer';
import { writeFileSync } from 'node:fs';
import { setInterval } from 'node:timers';

const say = (m) => new Promise((resolve) => process.send(m, resolve));
const done = (metrics) => say({ kind: 'done', metrics, device: 'test', seconds: 0.01 });
const epoch = (n) => ({ kind: 'epoch', epoch: n, epochs: 3, step: n, metrics: { accuracy: n / 10 }, seconds: 0.01 });
let hoard = [];

const acts = {
  ok: (job) => {
    if (job.weights) writeFileSync(job.weights, 'weights');
    return done({ accuracy: Number(job.decisions.value ?? 0.5), pid: process.pid });
  },
  epochs: async (job) => {
    for (const n of [1, 2, 3]) await say(epoch(n));
    return acts.ok(job);
  },
  exit: () => {
    process.stderr.write('first line\nlast words\n', () => process.exit(7));
  },
  segv: () => process.kill(process.pid, 'SIGSEGV'),
  late: async (job) => {
    // Dies right after its result: the result counts, the next job gets another process.
    await acts.ok(job);
    process.exit(1);
  },
  hang: () => {
    for (;;);
  },
  wait: () => new Promise(() => setInterval(() => {}, 1000)),
  hoard: () => {
    const timer = setInterval(() => hoard.push(Buffer.alloc(32 * 1024 * 1024, 1)), 10);
    timer.ref();
  },
  nan: () => say({ kind: 'failed', cause: 'nan', message: 'the loss is NaN at step 3', seconds: 0.01 }),
  refuse: () => say({ kind: 'refused', code: 'input', message: 'the data are gone', seconds: 0.01 }),
  chatter: async (job) => {
    for (let i = 0; i < 20_000; i++) process.send({ kind: 'progress', epoch: 1, epochs: 1, done: i, total: 20_000 });
    return acts.ok(job);
  },
};

process.on('disconnect', () => process.exit(0));
process.on('message', async (job) => {
  await say({ kind: 'began' });
  await acts[job.decisions.act ?? 'ok'](job);
});

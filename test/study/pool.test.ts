import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { WorkerPool } from '../../src/study/pool.ts';
import type { Job, Outcome, Report } from '../../src/study/protocol.ts';
import { isRunning, sleep, until } from '../support/cli.ts';

const entry = join(import.meta.dirname, '..', 'support', 'worker.mjs');
const MB = 1024 ** 2;
// The workers of this test need no loader of TypeScript.
process.execArgv.splice(0);

const job = (act: string): Job => ({
  kind: 'train',
  source: '',
  file: '',
  space: '',
  decisions: { act },
  seed: 0,
  threads: 1,
  dataHash: '',
  weights: null,
});

async function withPool<T>(
  options: { readonly workers?: number; readonly memory?: number; readonly timeout?: number },
  body: (pool: WorkerPool) => Promise<T>,
): Promise<T> {
  const pool = new WorkerPool({ entry, workers: 1, memory: 4096 * MB, timeout: 60, ...options });
  try {
    return await body(pool);
  } finally {
    await pool.close();
    assert.equal(pool.pids, []);
  }
}

const died = (o: Outcome): { cause: string; message: string } => {
  if (o.kind !== 'died') throw new Error(`expected a death, found ${o.kind}`);
  return { cause: o.cause, message: o.message };
};
const pidOf = (o: Outcome): number => {
  if (o.kind !== 'done') throw new Error(`expected a result, found ${o.kind}`);
  return o.metrics['pid']!;
};

const fails = async (what: Promise<unknown>, message: RegExp): Promise<void> => {
  const error = await what.then(
    () => null,
    (e: unknown) => e as Error,
  );
  assert.match(error?.message ?? 'nothing', message);
};

const pools = suite('pool');

pools('one process does job after job, and reports on the way', () =>
  withPool({}, async (pool) => {
    const reports: Report[] = [];
    const first = await pool.run(job('epochs'), (r) => reports.push(r));
    assert.equal(
      reports.map((r) => r.epoch),
      [1, 2, 3],
    );
    assert.is(pidOf(first), pidOf(await pool.run(job('ok'))));
    assert.is(pool.idle, 1);
  }),
);

pools('a worker that exits is a crash, with its last words; the next job gets another process', () =>
  withPool({}, async (pool) => {
    const before = pidOf(await pool.run(job('ok')));
    assert.equal(died(await pool.run(job('exit'))), {
      cause: 'crash',
      message: 'the worker ended with code 7: last words',
    });
    assert.is.not(pidOf(await pool.run(job('ok'))), before);
    assert.match(died(await pool.run(job('segv'))).message, /SIGSEGV/);
  }),
);

pools('a worker that dies while idle, or right after its result, costs nothing', () =>
  withPool({}, async (pool) => {
    for (let i = 0; i < 5; i++) {
      const pid = pidOf(await pool.run(job('late')));
      // At once, before the end of the old process is known, or a little later.
      await sleep(i * 15);
      const next = await pool.run(job('ok'));
      if (next.kind === 'died') assert.unreachable(`round ${i}: ${next.message}`);
      assert.is.not(pidOf(next), pid);
    }
    const pid = pidOf(await pool.run(job('ok')));
    process.kill(pid, 'SIGKILL');
    await until('the process is gone', () => !isRunning(pid));
    await until('the pool knows', () => pool.pids.length === 0);
    assert.is.not(pidOf(await pool.run(job('ok'))), pid);
  }),
);

pools('time and memory have limits', async () => {
  await withPool({ timeout: 0.6 }, async (pool) => {
    assert.equal(died(await pool.run(job('hang'))), { cause: 'timeout', message: 'took more than 0.6 s' });
  });
  await withPool({ memory: 220 * MB }, async (pool) => {
    const memory = died(await pool.run(job('hoard')));
    assert.is(memory.cause, 'memory');
    assert.match(memory.message, /used \d\.\d\d GiB, the limit is 0\.21 GiB/);
    assert.is((await pool.run(job('ok'))).kind, 'done');
  });
});

pools('what a worker says of its trial passes through', () =>
  withPool({}, async (pool) => {
    assert.is((await pool.run(job('nan'))).kind, 'failed');
    assert.is((await pool.run(job('refuse'))).kind, 'refused');
  }),
);

pools('as many jobs at a time as there are workers', () =>
  withPool({ workers: 3 }, async (pool) => {
    const running = ['wait', 'wait', 'ok'].map((act) => pool.run(job(act)));
    assert.is(pool.idle, 0);
    await fails(pool.run(job('ok')), /no worker is idle/);
    assert.is((await running[2]!).kind, 'done');
    assert.is(pool.idle, 1);
  }),
);

pools('closing while processes start, wait or work ends them all, and settles their jobs', async () => {
  const pool = new WorkerPool({ entry, workers: 3, memory: 4096 * MB, timeout: 60 });
  const jobs = ['wait', 'hang', 'ok'].map((act) => pool.run(job(act)));
  const { pids } = pool;
  assert.is(pids.length, 3);
  await pool.close();
  const kinds = (await Promise.all(jobs)).map((o) => o.kind);
  assert.equal(kinds.slice(0, 2), ['died', 'died']);
  for (const pid of pids) assert.not.ok(isRunning(pid));
  await fails(pool.run(job('ok')), /closed/);
});

pools('a worker that cannot be started is a crash', async () => {
  const pool = new WorkerPool({ entry: '/no/such/worker.mjs', workers: 1, memory: MB * 4096, timeout: 60 });
  assert.match(died(await pool.run(job('ok'))).message, /does not start: the worker ended with code 1/);
  await pool.close();
});

pools.run();

import { copyFileSync, mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Random } from '../../src/base/philox.ts';
import { historyOf } from '../../src/study/search-run.ts';
import { isOld, openDatabase, StudyError } from '../../src/study/sqlite.ts';
import type { Database } from '../../src/study/sqlite.ts';
import { MAX_ATTEMPTS, Study } from '../../src/study/study.ts';
import type { StudyHead } from '../../src/study/file.ts';

const folder = mkdtempSync(join(tmpdir(), 'tenon-study-'));
let number = 0;
const path = (): string => join(folder, `s${number++}.study`);
const head: StudyHead = {
  file: 'a.space',
  source: 'space A {}',
  space: 'A',
  seed: 1,
  dataHash: 'd',
  objectives: [{ direction: 'maximize', name: 'accuracy' }],
  searcher: 'random',
};
const open = (at: string, more: Partial<StudyHead> = {}): Promise<Study> => Study.open(at, { ...head, ...more }, '0');
const ask = (s: Study, v: number): number => s.ask({ v }, `program ${v}`, { params: v }, v);
const fails = async (code: string, body: () => Promise<unknown>): Promise<Error> => {
  try {
    await body();
  } catch (e) {
    assert.is((e as { code?: string }).code, code);
    return e as Error;
  }
  throw new Error(`expected a StudyError ${code}`);
};

const studies = suite('study');

studies('a trial goes from asked to complete, once', async () => {
  const s = await open(path());
  assert.is(ask(s, 10), 0);
  const lease = s.lease(0);
  assert.is(lease.attempt, 1);
  s.epoch(lease, 1, { accuracy: 0.5 });
  assert.ok(s.finish(lease, { state: 'complete', metrics: { accuracy: 0.9 }, seconds: 2 }));
  assert.not.ok(s.finish(lease, { state: 'complete', metrics: { accuracy: 0.1 }, seconds: 2 }));
  const [t] = s.trials();
  assert.is(t!.state, 'complete');
  assert.equal(t!.metrics, { accuracy: 0.9 });
  assert.equal(t!.decisions, { v: 10 });
  assert.equal(s.epochs(0), [{ epoch: 1, metrics: { accuracy: 0.5 } }]);
  assert.equal(
    s.events().map((e) => ({ ...e })),
    [
      { kind: 'ask', trial: 0 },
      { kind: 'tell', trial: 0 },
    ],
  );
  s.close();
});

studies('an equal proposal is refused', async () => {
  const s = await open(path());
  ask(s, 1);
  assert.throws(() => ask(s, 1), /UNIQUE/);
  assert.is(s.trials().length, 1);
  s.close();
});

studies('a late result of a lost lease changes nothing', async () => {
  const at = path();
  const s = await open(at);
  ask(s, 1);
  const old = s.lease(0);
  s.release(old);
  const now = s.lease(0);
  assert.is(now.attempt, 1);
  s.epoch(old, 1, { accuracy: 9 });
  assert.not.ok(s.finish(old, { state: 'complete', metrics: { accuracy: 9 }, seconds: 0 }));
  assert.is(s.trials()[0]!.state, 'running');
  assert.ok(s.finish(now, { state: 'complete', metrics: { accuracy: 1 }, seconds: 0 }));
  s.close();
});

studies('the death of a worker ends an attempt, the third the trial', async () => {
  const s = await open(path());
  ask(s, 1);
  for (let i = 1; i < MAX_ATTEMPTS; i++) assert.is(s.attemptDied(s.lease(0), 'crash', 'boom', 1), 'waiting');
  assert.is(s.attemptDied(s.lease(0), 'crash', 'boom', 1), 'failed');
  const [t] = s.trials();
  assert.equal([t!.state, t!.cause, t!.attempts], ['failed', 'crash', MAX_ATTEMPTS]);
  s.close();
});

studies('opening again gives running trials back and charges nothing', async () => {
  const at = path();
  const first = await open(at);
  ask(first, 1);
  ask(first, 2);
  first.finish(first.lease(0), { state: 'complete', metrics: { accuracy: 1 }, seconds: 1 });
  first.lease(1);
  first.close();
  const again = await open(at);
  assert.equal(
    again.trials().map((t) => [t.state, t.attempts]),
    [
      ['complete', 1],
      ['waiting', 0],
    ],
  );
  assert.is(again.lease(1).attempt, 1);
  again.close();
});

studies('what would mix two searches is refused', async () => {
  const at = path();
  (await open(at)).close();
  assert.match((await fails('other-space', () => open(at, { space: 'B' }))).message, /was A, now it is B/);
  await fails('other-space', () => open(at, { seed: 2 }));
  await fails('other-space', () => open(at, { dataHash: 'e' }));
});

studies('a study that a live process holds is refused, one of a dead process is taken', async () => {
  const at = path();
  const s = await open(at);
  s.close();
  const db = await openDatabase(at, false);
  const hold = (pid: number, started: string): void =>
    void db
      .prepare('update study set holder = ?')
      .run(JSON.stringify({ host: hostname(), pid, started, token: 't', seen: 0 }));
  hold(process.ppid, '');
  await fails('held', () => open(at));
  hold(process.ppid, 'another-boot:1');
  (await open(at)).close();
  hold(2 ** 22 + 1, '');
  (await open(at)).close();
  db.close();
});

studies('newer, damaged and foreign files are refused', async () => {
  const at = path();
  (await open(at)).close();
  const db = await openDatabase(at, false);
  db.exec('update study set version = 99');
  db.close();
  await fails('newer', () => open(at));
  await fails('newer', () => Study.read(at));
  const junk = path();
  writeFileSync(junk, 'not a database, but long enough to have a header of its own'.repeat(20));
  await fails('corrupt', () => Study.read(junk));
  const cut = path();
  const s = await open(cut);
  for (let i = 0; i < 200; i++) ask(s, i);
  s.close();
  truncateSync(cut, Math.floor(statSync(cut).size / 2 / 4096) * 4096);
  await fails('corrupt', () => Study.read(cut));
  await fails('missing', () => Study.read(path()));
});

studies('readers see a running search and do not disturb it', async () => {
  const at = path();
  const writer = await open(at);
  ask(writer, 1);
  const reader = await Study.read(at);
  assert.is(reader.trials().length, 1);
  const lease = writer.lease(0);
  assert.is(reader.trials()[0]!.state, 'running');
  writer.finish(lease, { state: 'complete', metrics: {}, seconds: 0 });
  reader.close();
  writer.close();
});

studies('the test figure is kept', async () => {
  const at = path();
  const s = await open(at);
  ask(s, 1);
  assert.is(s.test(0), null);
  s.recordTest({ trial: 0, metrics: { accuracy: 0.98 } });
  s.close();
  const r = await Study.read(at);
  assert.equal(r.test(0), { accuracy: 0.98 });
  r.close();
});

studies('a hold on another host lasts as long as its signs of life; who lost it writes no more', async () => {
  const at = path();
  const first = await open(at);
  ask(first, 1);
  const lease = first.lease(0);
  const db = await openDatabase(at, false);
  const hold = (seen: number): void =>
    void db
      .prepare('update study set holder = ?')
      .run(JSON.stringify({ host: 'elsewhere', pid: 1, started: '', token: 'x', seen }));
  hold(Date.now() - 5_000);
  assert.match((await fails('held', () => open(at))).message, /process 1 on elsewhere .* is \d s old/);
  await fails('held', () => Promise.resolve(ask(first, 2)));
  await fails('held', () => Promise.resolve(first.finish(lease, { state: 'complete', metrics: {}, seconds: 1 })));
  hold(Date.now() - 120_000);
  const second = await open(at);
  assert.is(second.trial(0).state, 'waiting');
  first.close();
  ask(second, 3);
  second.close();
  db.close();
});

studies('one process opens a study once', async () => {
  const at = path();
  const s = await open(at);
  assert.match((await fails('held', () => open(at))).message, /this process/);
  s.close();
  (await open(at)).close();
});

studies('a database of something else is refused and left as it is', async () => {
  const at = path();
  const db = await openDatabase(at, false);
  db.exec('create table other (x); insert into other values (1)');
  db.close();
  const before = readFileSync(at);
  assert.match((await fails('corrupt', () => open(at))).message, /other tables/);
  await fails('corrupt', () => Study.read(at));
  assert.equal(readFileSync(at), before);
});

studies('an empty file becomes a study', async () => {
  const at = path();
  writeFileSync(at, '');
  const s = await open(at);
  assert.is(s.count(), 0);
  s.close();
});

studies('the file alone is the whole study once it is closed', async () => {
  const at = path();
  const s = await open(at);
  for (let i = 0; i < 50; i++) ask(s, i);
  s.close();
  const copy = path();
  copyFileSync(at, copy);
  const r = await Study.read(copy);
  assert.is(r.count(), 50);
  r.close();
});

studies('a file damaged anywhere is read or refused, never worse', async () => {
  const at = path();
  const s = await open(at);
  for (let i = 0; i < 100; i++) ask(s, i);
  s.close();
  const whole = readFileSync(at);
  const random = new Random('damage');
  let refused = 0;
  for (let i = 0; i < 60; i++) {
    const damaged = Uint8Array.from(whole);
    // The header in full, else somewhere in every page in turn.
    const offset = i < 20 ? i * 5 : ((i - 20) * 4096 + random.below(4096)) % whole.length;
    for (let k = 0; k < 8; k++) damaged[Math.min(offset + k, whole.length - 1)]! ^= 0x5a;
    const cut = path();
    writeFileSync(cut, i % 3 === 0 ? damaged.subarray(0, whole.length - 1000 * (i % 7)) : damaged);
    try {
      const r = await Study.read(cut);
      r.events();
      r.close();
    } catch (e) {
      assert.ok(e instanceof StudyError, String((e as Error).stack));
      refused++;
    }
  }
  assert.ok(refused > 10, String(refused));
});

studies('a full disk is said to be one, and what was recorded stays', async () => {
  const at = path();
  const s = await open(at);
  ask(s, 1);
  // No page more than now.
  const inner = (s as unknown as { db: Database }).db;
  inner.exec(`pragma max_page_count = 1`);
  const error = await fails('disk', async () => {
    for (let i = 2; i < 500; i++) s.ask({ v: i }, 'p'.repeat(3000), {}, i);
    return Promise.resolve();
  });
  assert.match(error.message, /the disk refuses \(database or disk is full\); nothing recorded so far is lost/);
  const { length } = s.trials();
  inner.exec('pragma max_page_count = 1000000');
  s.ask({ v: 999 }, 'p', {}, 0);
  assert.is(s.trials().length, length + 1);
  s.close();
});

studies('figures that are not finite are kept as such', async () => {
  const s = await open(path());
  ask(s, 1);
  s.finish(s.lease(0), { state: 'complete', metrics: { accuracy: NaN, loss: Infinity }, seconds: 1 });
  assert.equal(s.trial(0).metrics, { accuracy: NaN, loss: NaN });
  assert.is(historyOf(s).best(), null);
  s.close();
});

studies('a SQLite with the WAL fault is too old', () => {
  assert.equal(['3.51.3', '3.53.0', '4.0.0', '3.51.2', '3.8.11', '2.9.9'].map(isOld), [
    false,
    false,
    false,
    true,
    true,
    true,
  ]);
});

studies.after(() => rmSync(folder, { recursive: true }));
studies.run();

import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Random } from '../../src/base/philox.ts';
import { historyOf } from '../../src/study/search-run.ts';
import { Study } from '../../src/study/study.ts';
import type { Trial } from '../../src/study/trial.ts';
import { workersOf, isRunning, sleep, startTenon, temporaryFolder, tenon, until, whenEnded } from '../support/cli.ts';
import { writeSearch } from '../support/small-search.ts';

const KILLS = 30;

const random = new Random('kill', process.pid);

async function trialsOf(path: string): Promise<readonly Trial[]> {
  const study = await Study.read(path);
  try {
    return study.trials();
  } finally {
    study.close();
  }
}

// A worker is not killed where the third death of one trial would end it.
async function mayKillWorker(path: string): Promise<boolean> {
  return existsSync(path) && (await trialsOf(path)).every((t) => t.attempts < 2 || t.state === 'complete');
}

/** One start of the search that is cut short by a kill, of the coordinator or of one of its workers and then of the coordinator; true where it ended before. */
async function disturb(
  file: string,
  path: string,
  options: readonly string[],
): Promise<{ ended: boolean; kills: number }> {
  const child = startTenon(['search', file, '--study', path, ...options]);
  const ended = whenEnded(child);
  const early = random.uniform() < 0.2;
  if (early) await sleep(400 * random.uniform());
  else {
    await Promise.race([new Promise((resolve) => child.stdout!.once('data', resolve)), ended]);
    await sleep(500 * random.uniform());
  }
  let kills = 0;
  const workers = child.exitCode === null ? workersOf(child.pid!) : [];
  if (workers.length > 0 && random.uniform() < 0.4 && (await mayKillWorker(path))) {
    process.kill(workers[random.below(workers.length)]!, 'SIGKILL');
    kills++;
    await sleep(200 * random.uniform());
  }
  if (child.exitCode !== null) return { ended: true, kills };
  const left = workersOf(child.pid!);
  child.kill('SIGKILL');
  const { code, signal } = await ended;
  if (signal !== 'SIGKILL') assert.is(code, 0);
  await until('workers end with their coordinator', () => left.every((pid) => !isRunning(pid)), 10);
  return { ended: signal !== 'SIGKILL', kills: kills + 1 };
}

async function checkWhole(path: string, trials: number): Promise<readonly Trial[]> {
  const study = await Study.read(path);
  try {
    const all = study.trials();
    assert.equal(
      all.map((t) => t.trial),
      Array.from({ length: trials }, (_, i) => i),
    );
    for (const t of all) assert.equal([t.trial, t.state, t.aside, t.cause], [t.trial, 'complete', null, null]);
    assert.is(new Set(all.map((t) => JSON.stringify(t.decisions))).size, trials);
    const asked = new Set<number>();
    const told = new Set<number>();
    for (const e of study.events()) {
      assert.not.ok((e.kind === 'ask' ? asked : told).has(e.trial), `${e.kind} ${e.trial} twice`);
      if (e.kind === 'tell') assert.ok(asked.has(e.trial), `trial ${e.trial} was told before it was asked`);
      (e.kind === 'ask' ? asked : told).add(e.trial);
    }
    assert.equal([asked.size, told.size], [trials, trials]);
    const best = historyOf(study).best()!.trial;
    assert.equal(readdirSync(`${path}.files`), [`trial-${best}.safetensors`]);
    return all;
  } finally {
    study.close();
  }
}

const outcome = (t: Trial): unknown => ({ decisions: t.decisions, seed: t.seed, metrics: t.metrics });

const kill = suite('kill');

kill(
  'a search that is killed 30 times ends with exactly the trials asked for, each once, as if it had not been disturbed',
  async () => {
    const folder = temporaryFolder('kill');
    // A few tenths of a second a trial.
    const file = writeSearch(folder, { epochs: 30 });
    const path = join(folder, 'killed.study');
    let [trials, kills] = [30, 0];
    while (kills < KILLS) {
      const done = await disturb(file, path, ['--trials', String(trials), '--workers', '2']);
      kills += done.kills;
      if (done.ended) trials += 5;
    }
    const last = await tenon(['search', file, '--study', path, '--trials', String(trials), '--workers', '2']);
    assert.is(last.code, 0, last.err);
    const killed = await checkWhole(path, trials);

    // Proposals of `random` do not depend on results, and a trial's seed is a function of its number: any number of workers comes to the same.
    const calm = join(folder, 'calm.study');
    assert.is((await tenon(['search', file, '--study', calm, '--trials', String(trials)])).code, 0);
    assert.equal(killed.map(outcome), (await checkWhole(calm, trials)).map(outcome));
  },
);

kill('with one worker every searcher proposes as if it had not been disturbed', async () => {
  const folder = temporaryFolder('kill-one');
  const file = writeSearch(folder, { epochs: 40, search: 'maximize accuracy with mcts seed 5' });
  const [path, calm] = [join(folder, 'killed.study'), join(folder, 'calm.study')];
  for (let i = 0; i < 5; i++) await disturb(file, path, ['--trials', '11']);
  for (const at of [path, calm]) assert.is((await tenon(['search', file, '--study', at, '--trials', '11'])).code, 0);
  assert.equal((await checkWhole(path, 11)).map(outcome), (await checkWhole(calm, 11)).map(outcome));
});

kill.run();

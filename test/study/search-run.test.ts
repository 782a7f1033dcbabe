import { existsSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { compileText } from '../../src/compile.ts';
import { SEARCHERS } from '../../src/search/index.ts';
import type { SearcherDef } from '../../src/search/searcher.ts';
import type { Assignment } from '../../src/space/assignment.ts';
import { hasWeights } from '../../src/study/files.ts';
import type { StudyHead } from '../../src/study/file.ts';
import { historyOf, runSearch } from '../../src/study/search-run.ts';
import type { SearchEvent, SearchRunOptions } from '../../src/study/search-run.ts';
import { Study } from '../../src/study/study.ts';
import { isRunning, sleep, temporaryFolder } from '../support/cli.ts';

const entry = join(import.meta.dirname, '..', 'support', 'worker.mjs');
const folder = temporaryFolder('run');
// The workers of this test need no loader of TypeScript.
process.execArgv.splice(0);

const { space } = compileText('space S {\n input x: f32[B, 4]\n output y = x -> dense(2..60)\n}', 'a.space');
const head: StudyHead = {
  file: 'a.space',
  source: 'space S {}',
  space: 'S',
  seed: 1,
  dataHash: '',
  objectives: [{ direction: 'maximize', name: 'accuracy' }],
  searcher: 'scripted',
};

/** Proposes what the workers are to do: `act`, or `act value`. */
const scripted = (acts: readonly string[]): SearcherDef => ({
  name: 'scripted',
  doc: '',
  args: [],
  create:
    () =>
    ({ history }) => {
      const said = acts[history.trials.length];
      if (said === undefined) return null;
      const [act, value] = said.split(' ');
      return { act: act!, value: Number(value ?? 0.5), n: history.trials.length };
    },
});

interface Ran {
  readonly events: readonly SearchEvent[];
  readonly error: Error | null;
}

let number = 0;
const newPath = (): string => join(folder, `s${number++}.study`);

async function run(
  path: string,
  acts: readonly string[],
  more: Partial<SearchRunOptions> = {},
  see: (e: SearchEvent, study: Study) => unknown = () => {},
): Promise<Ran> {
  const study = await Study.open(path, head, '0');
  const events: SearchEvent[] = [];
  try {
    for await (const e of runSearch({
      study,
      space,
      searcher: scripted(acts),
      args: {},
      trials: acts.length,
      time: null,
      workers: 1,
      threadsPerWorker: 1,
      memory: 4e9,
      timeout: 60,
      entry,
      keepAll: false,
      describe: (a: Assignment) => ({ program: `program ${JSON.stringify(a)}`, measures: { params: Number(a['n']) } }),
      ...more,
    })) {
      events.push(e);
      await see(e, study);
    }
    return { events, error: null };
  } catch (e) {
    return { events, error: e as Error };
  } finally {
    study.close();
  }
}

async function rows(path: string): Promise<readonly (readonly unknown[])[]> {
  const study = await Study.read(path);
  const all = study.trials().map((t) => [t.state, t.cause, t.attempts] as const);
  study.close();
  return all;
}

const kinds = (r: Ran): string[] => r.events.map((e) => e.kind).filter((k) => k !== 'start' && k !== 'report');

const runs = suite('search-run');

runs('results, failures and deaths end as they should', async () => {
  const path = newPath();
  const done = await run(path, ['ok 0.7', 'nan', 'exit', 'epochs 0.9']);
  assert.is(done.error, null);
  assert.equal(kinds(done), ['end', 'end', 'retry', 'retry', 'end', 'end']);
  assert.equal(await rows(path), [
    ['complete', null, 1],
    ['failed', 'nan', 1],
    ['failed', 'crash', 3],
    ['complete', null, 1],
  ]);
  const study = await Study.read(path);
  assert.is(historyOf(study).best()!.trial, 3);
  assert.is(study.trial(2).message, 'the worker ended with code 7: last words');
  assert.is(study.trial(3).device, 'test');
  assert.is(study.trial(3).metrics!['accuracy'], 0.9);
  assert.is(study.epochs(3).length, 3);
  study.close();
  assert.equal(readdirSync(`${path}.files`), ['trial-3.safetensors']);
});

runs('time limits end attempts, and three of them the trial', async () => {
  const path = newPath();
  await run(path, ['hang', 'ok'], { timeout: 0.5 });
  assert.equal(await rows(path), [
    ['failed', 'timeout', 3],
    ['complete', null, 1],
  ]);
});

runs('more trials go on, fewer end at once, and nothing runs twice', async () => {
  const path = newPath();
  const acts = ['ok', 'ok', 'ok', 'ok'];
  await run(path, acts, { trials: 2 });
  assert.is((await rows(path)).length, 2);
  assert.equal((await run(path, acts, { trials: 1 })).events, []);
  const more = await run(path, acts, { trials: 4 });
  assert.equal(
    more.events.flatMap((e) => (e.kind === 'end' ? [e.trial.trial] : [])),
    [2, 3],
  );
});

runs('a searcher with nothing left says so', async () => {
  const done = await run(newPath(), ['ok', 'ok'], { trials: 9, workers: 2 });
  assert.is(done.events.filter((e) => e.kind === 'spent').length, 1);
  assert.is(done.error, null);
});

runs('what no trial can help stops the search, and the trial is given back', async () => {
  const path = newPath();
  const done = await run(path, ['ok', 'refuse', 'ok'], { workers: 1 });
  assert.is(done.error?.message, 'the data are gone');
  assert.equal((await rows(path)).at(-1), ['waiting', null, 0]);
});

runs('a search whose first trials all fail stops', async () => {
  const path = newPath();
  const done = await run(path, Array<string>(30).fill('nan'));
  assert.is(done.events.at(-1)!.kind, 'hopeless');
  assert.is((await rows(path)).length, 10);
});

runs('drain ends what runs, release gives it back without a charge', async () => {
  const path = newPath();
  const acts = ['ok', 'wait', 'ok'];
  const [drain, release] = [new AbortController(), new AbortController()];
  const done = await run(path, acts, { drain: drain.signal, release: release.signal }, (e) => {
    if (e.kind !== 'start' || e.trial !== 1) return;
    setTimeout(() => drain.abort(), 50);
    setTimeout(() => release.abort(), 300);
  });
  assert.equal(kinds(done), ['end']);
  assert.equal(await rows(path), [
    ['complete', null, 1],
    ['waiting', null, 0],
  ]);
  const drained = new AbortController();
  const path2 = newPath();
  await run(path2, ['epochs', 'ok'], { drain: drained.signal }, (e) => e.kind === 'start' && drained.abort());
  assert.equal(await rows(path2), [['complete', null, 1]]);
});

runs('a reader of events that leaves early leaves no process and no running trial', async () => {
  const path = newPath();
  const study = await Study.open(path, head, '0');
  let pid = 0;
  for await (const e of runSearch({
    study,
    space,
    searcher: scripted(['ok', 'wait']),
    args: {},
    trials: 2,
    time: null,
    workers: 1,
    threadsPerWorker: 1,
    memory: 4e9,
    timeout: 60,
    entry,
    keepAll: true,
    describe: () => ({ program: '', measures: {} }),
  })) {
    if (e.kind === 'end') pid = e.trial.metrics!['pid']!;
    if (e.kind === 'start' && e.trial === 1) break;
  }
  assert.not.ok(isRunning(pid));
  assert.is(study.trial(1).state, 'waiting');
  study.close();
});

runs('a slow reader gets the latest progress, not all of it', async () => {
  let progress = 0;
  const done = await run(newPath(), ['chatter'], {}, async (e) => {
    if (e.kind !== 'report') return;
    progress++;
    await sleep(30);
  });
  assert.is(done.error, null);
  assert.ok(progress > 0 && progress < 400, String(progress));
});

runs('no trial starts when the time is up', async () => {
  const path = newPath();
  const done = await run(path, Array<string>(9000).fill('ok'), { time: 0.4 });
  assert.is(done.error, null);
  const { length } = await rows(path);
  assert.ok(length > 0 && length < 9000, String(length));
});

runs('weights of the best are kept, or of all; those of cut attempts go', async () => {
  const path = newPath();
  await run(path, ['ok 0.9', 'ok 0.1'], { keepAll: true });
  assert.ok(hasWeights(path, 0) && hasWeights(path, 1));
  writeFileSync(`${path}.files/trial-7.0123abcd.safetensors`, 'cut');
  writeFileSync(`${path}.files/trial-7.0123abcd.safetensors.99.tmp`, 'cut');
  writeFileSync(`${path}.files/notes.txt`, 'mine');
  await run(path, ['ok 0.9', 'ok 0.1', 'ok 0.2']);
  assert.equal(readdirSync(`${path}.files`).sort(), ['notes.txt', 'trial-0.safetensors']);
  assert.ok(!existsSync(`${path}-wal`) || statSync(`${path}-wal`).size === 0);
});

runs('the searchers of the table run', async () => {
  for (const def of SEARCHERS.values()) {
    const done = await run(newPath(), ['', '', '', ''], { searcher: def, workers: 2 });
    assert.is(done.error, null);
    assert.is(done.events.filter((e) => e.kind === 'end').length, 4);
  }
});

runs.run();

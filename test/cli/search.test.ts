import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { compileText, makeTrainer } from '../../src/compile.ts';
import { readSafetensors } from '../../src/data/safetensors.ts';
import { sample } from '../../src/space/sample.ts';
import { jsonLines, temporaryFolder, tenon } from '../support/cli.ts';
import { programText, writeSearch, writeTable } from '../support/small-search.ts';

type Row = Record<string, unknown>;

const cwd = temporaryFolder('search');
const file = writeSearch(cwd);
const study = `${file}.study`;
const run = (...args: string[]): ReturnType<typeof tenon> => tenon(args, { cwd });
const trialsOf = async (path: string): Promise<Row[]> => JSON.parse((await run('trials', path, '--json')).out) as Row[];

const searches = suite('cli search');

searches('a search tells its epochs, trials and end, and keeps them', async () => {
  const { code, out, err } = await run('search', file, '--json', '--workers', '2');
  assert.equal([code, err], [0, '']);
  const lines = jsonLines(out);
  const of = (event: string): readonly Row[] => lines.filter((l) => l['event'] === event);
  assert.is(of('epoch').length, 12);
  assert.equal(Object.keys(of('epoch')[0]!).slice(0, 5), ['event', 'trial', 'attempt', 'epoch', 'step']);
  assert.equal(
    of('trial')
      .map((t) => t['trial'])
      .sort(),
    [0, 1, 2, 3, 4, 5],
  );
  for (const t of of('trial')) {
    assert.is(t['state'], 'complete');
    assert.type((t['metrics'] as Row)['accuracy'], 'number');
    assert.type(t['params'], 'number');
  }
  const done = lines.at(-1)!;
  assert.equal([done['event'], done['trials'], done['test']], ['done', { complete: 6, failed: 0, pruned: 0 }, null]);

  const rows = await trialsOf(study);
  assert.equal(
    rows.map((r) => r['trial']),
    [0, 1, 2, 3, 4, 5],
  );
  const accuracy = (r: Row): number => (r['metrics'] as Row)['accuracy'] as number;
  assert.is(accuracy(rows[done['best'] as number]!), Math.max(...rows.map(accuracy)));
  assert.equal(Object.keys(rows[0]!), [
    'trial',
    'state',
    'aside',
    'cause',
    'message',
    'attempts',
    'decisions',
    'metrics',
    'params',
    'flops',
    'seed',
    'device',
    'seconds',
    'program',
  ]);
});

searches('a finished search run again prints its best and trains nothing; fewer trials too', async () => {
  const before = await trialsOf(study);
  for (const more of [[], ['--trials', '3']]) {
    const again = await run('search', file, ...more);
    assert.is(again.code, 0);
    assert.match(again.out, /resuming: 6 of \d trials done[\s\S]*best: trial \d+ .*accuracy[\s\S]*space Small \{/);
  }
  assert.equal(await trialsOf(study), before);
});

searches(
  'the best is a program of one member; its tensors are those of the weights, and give its figures',
  async () => {
    const [best] = jsonLines((await run('best', study, '--json', '--safetensors', 'best.safetensors')).out);
    const text = best!['program'] as string;
    const printed = await run('best', study);
    assert.ok(printed.out.endsWith(text.trimEnd() + '\n'));
    assert.match(printed.out, /^\/\/ trial \d+: .*accuracy 0\.\d{4}/);

    const compiled = compileText(text, join(cwd, 'best.space'));
    const trainer = await makeTrainer(compiled, sample(compiled.space, { seed: 0 }), {}, { threads: 1 });
    const weights = readSafetensors(join(cwd, 'best.safetensors'));
    assert.equal([...trainer.tensors(true).keys()].sort(), [...weights.tensors.keys()].sort());
    trainer.load(join(cwd, 'best.safetensors'));
    const { accuracy, loss } = await trainer.evaluate('validation');
    trainer.close();
    const metrics = best!['metrics'] as Row;
    assert.equal([accuracy, loss], [metrics['accuracy'], metrics['loss']]);

    writeFileSync(join(cwd, 'best.space'), text);
    assert.is((await run('train', 'best.space', '--json')).code, 0);
  },
);

searches('more trials go on where it stopped, as one search would have', async () => {
  assert.is((await run('search', file, '--trials', '9', '--workers', '3')).code, 0);
  assert.is((await run('search', file, '--trials', '9', '--study', 'whole.study')).code, 0);
  const outcome = (rows: readonly Row[]): unknown =>
    rows.map((r) => [r['trial'], r['decisions'], r['seed'], r['metrics']]);
  assert.equal(outcome(await trialsOf(study)), outcome(await trialsOf('whole.study')));
});

searches('the table of trials: sorted, as CSV', async () => {
  const table = await run('trials', study, '--sort', 'accuracy');
  const [header, ...rows] = table.out.trimEnd().split('\n');
  assert.match(header!, /^trial +state +accuracy +loss +train_loss +params +time +decisions$/);
  const accuracies = rows.map((r) => Number(/complete +(\S+)/.exec(r)![1]));
  assert.equal(
    accuracies,
    [...accuracies].sort((a, b) => b - a),
  );
  await run('trials', study, '--csv', 't.csv');
  const csv = readFileSync(join(cwd, 't.csv'), 'utf8').trimEnd().split('\n');
  assert.is(csv.length, 10);
  assert.match(csv[0]!, /^trial,state,aside,cause,attempts,seconds,params,flops,accuracy,loss,train_loss,act,/);
  const wrong = await run('trials', study, '--sort', 'acuracy');
  assert.is(wrong.code, 2);
  assert.match(wrong.err, /no trial has it; there are accuracy, /);
});

searches('an edit of the space keeps what still means the same, and says so', async () => {
  writeFileSync(file, programText({ epochs: 2, output: '(dense(4 | 8 | 16 | 32) -> act){1..4} -> dense(2)' }));
  const wider = await run('search', file, '--trials', '10');
  assert.match(wider.out, /the program was edited: 9 earlier trials still count, 0 kept aside\n/);
  writeFileSync(file, programText({ epochs: 3 }));
  const trained = await run('search', file, '--trials', '2');
  assert.match(
    trained.out,
    /0 earlier trials still count, 10 kept aside\n {2}\S+ earlier trials aside: it was trained in another way/,
  );
  assert.match(trained.out, /2\/2|best: trial 1[01]/);
  const rows = await trialsOf(study);
  assert.equal([rows.length, rows.filter((r) => r['aside'] === null).length], [12, 2]);
  assert.match(
    (await run('trials', study)).out,
    /complete \(aside\)[\s\S]*aside: 0, 1, .*: it was trained in another way/,
  );
  writeFileSync(file, programText());
  const back = await run('search', file, '--trials', '9', '--json');
  const [edit] = jsonLines(back.out);
  assert.is(edit!['event'], 'edit');
  // The tenth trial may be a member of both.
  assert.ok(edit!['kept'] === 9 || edit!['kept'] === 10);
  const [aside] = edit!['aside'] as Row[];
  assert.is((aside!['trials'] as number[]).at(-1), 11);
});

searches('what would mix two searches is refused', async () => {
  const seed = await run('search', file, '--seed', '99');
  assert.equal([seed.code, /another seed: it was 3, now it is 99/.test(seed.err)], [1, true]);
  writeTable(join(cwd, 'table.csv'), 310);
  const data = await run('search', file, '--trials', '20');
  assert.equal([data.code, /another data set/.test(data.err)], [1, true]);
  writeTable(join(cwd, 'table.csv'), 300);
});

searches('a small space ends when all of it was tried; failures are told with their cause', async () => {
  const few = join(cwd, 'few.space');
  writeFileSync(few, programText({ output: 'dense(4 | 8) -> relu -> dense(2)', optimizer: 'adamw(lr: 0.01)' }));
  const spent = await run('search', few, '--trials', '50');
  assert.is(spent.code, 0);
  assert.match(spent.out, /the space is spent: all of its 2 members were tried/);
  const wild = join(cwd, 'wild.space');
  writeFileSync(
    wild,
    programText({ output: '(dense(32 | 64) -> relu){6 | 7} -> dense(2)', optimizer: 'sgd(lr: 900..1000)', epochs: 9 }),
  );
  const failed = await run('search', wild, '--trials', '3');
  assert.is(failed.code, 1);
  assert.match(failed.out, /trial +0 {2}failed: nan {2}the loss is /);
  assert.match(failed.err, /error: no trial is complete; trial \d failed: nan: the loss is /);
  const rows = await trialsOf(`${wild}.study`);
  assert.equal(
    rows.map((r) => [r['state'], r['cause'], r['metrics']]),
    Array(3).fill(['failed', 'nan', null]),
  );
  assert.is((await run('best', `${wild}.study`)).code, 1);
});

searches('several objectives give a Pareto set, with the weights of each', async () => {
  const two = join(cwd, 'two.space');
  writeFileSync(
    two,
    programText({ search: 'maximize accuracy\n  minimize params\n  with evolution\n  budget 8 trials' }),
  );
  assert.is((await run('search', two, '--workers', '2')).code, 0);
  const front = JSON.parse((await run('best', `${two}.study`, '--json')).out) as Row[];
  assert.ok(Array.isArray(front) && front.length >= 1);
  const points = front.map((r) => [(r['metrics'] as Row)['accuracy'] as number, -(r['params'] as number)] as const);
  for (const a of points)
    assert.not.ok(points.some((b) => b[0] >= a[0] && b[1] >= a[1] && (b[0] > a[0] || b[1] > a[1])));
  for (const r of front)
    assert.ok(readFileSync(`${two}.study.files/trial-${String(r['trial'])}.safetensors`).length > 0);
});

searches.run();

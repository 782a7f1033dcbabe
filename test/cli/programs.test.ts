import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { compileText } from '../../src/compile.ts';
import { count } from '../../src/space/count.ts';
import { measures } from '../../src/space/measures.ts';
import type { Assignment } from '../../src/space/assignment.ts';
import { jsonLines, temporaryFolder, tenon } from '../support/cli.ts';
import { writeSearch } from '../support/small-search.ts';

const cwd = temporaryFolder('programs');
const small = writeSearch(cwd);
const file = (name: string, text: string): string => {
  writeFileSync(join(cwd, name), text);
  return name;
};
const run = (...args: string[]): ReturnType<typeof tenon> => tenon(args, { cwd });
const keys = (o: unknown): string[] => Object.keys(o as object);

const two = file(
  'two.space',
  'space A { input x: f32[B, 4] output y = x -> dense(2 | 3) }\nspace B { input x: f32[B, 4] output y = x -> dense(2) }',
);
const bad = file('bad.space', 'space A {\n  input x: f32[B, 4]\n  output y = x -> dens(2)\n}\n');

const programs = suite('cli programs');

programs('check prints what is known, and every setting with its default', async () => {
  const { code, out, err } = await run('check', small);
  assert.is(code, 0);
  assert.is(err, '');
  assert.match(out, /^space Small: [\d,]+ architectures, \d+ decisions\n/);
  for (const key of ['params', 'macs', 'flops', 'memory', 'depth'])
    assert.match(out, new RegExp(`^  ${key} +\\S+ .*to`, 'm'));
  assert.match(
    out,
    /train +data csv\(file: "table\.csv", label: "y"\); loss crossentropy; optimizer adamw\(lr: 1e-3..1e-1 log/,
  );
  assert.match(out, /^search: maximize accuracy; with random\(measure: choice\); trials 6; workers 1; seed 3$/m);
});

programs('check --json has the keys of the contract', async () => {
  const { code, out } = await run('check', small, '--json');
  assert.is(code, 0);
  const [document, ...more] = jsonLines(out);
  assert.equal(more, []);
  assert.equal(keys(document), [
    'file',
    'space',
    'edition',
    'diagnostics',
    'count',
    'decisions',
    'params',
    'macs',
    'flops',
    'memory',
    'depth',
    'train',
    'search',
  ]);
  const { space } = compileText(readFileSync(small, 'utf8'), small);
  const exact = count(space).exact!.toString();
  assert.equal(document!['count'], { exact, low: exact, high: exact });
  for (const key of ['params', 'macs', 'flops', 'memory', 'depth']) assert.equal(keys(document![key]), ['min', 'max']);
  const train = document!['train'] as Record<string, unknown>;
  assert.equal([train['batch'], train['epochs'], train['loss'], train['seed']], [20, 2, 'crossentropy', 0]);
  const search = document!['search'] as Record<string, unknown>;
  assert.equal([search['maximize'], search['trials'], search['seed']], [['accuracy'], 6, 3]);
});

programs('errors of a program come with their line, or as data; the exit code is 1', async () => {
  const shown = await run('check', bad);
  assert.is(shown.code, 1);
  assert.is(shown.out, '');
  assert.match(shown.err, /error E\d+: .*`dens`[\s\S]* --> bad\.space:3:19[\s\S]*did you mean `dense`/);
  const { code, out, err } = await run('check', bad, '--json');
  assert.equal([code, err], [1, '']);
  const document = jsonLines(out)[0]!;
  assert.is(document['space'], null);
  const [d] = document['diagnostics'] as Record<string, unknown>[];
  assert.equal(keys(d), ['code', 'severity', 'message', 'span', 'expected', 'found', 'notes', 'hint']);
  assert.equal(d!['span'], {
    file: 'bad.space',
    start: { line: 3, column: 19, offset: 49 },
    end: { line: 3, column: 23, offset: 53 },
  });
  for (const command of ['count', 'sample', 'train', 'search']) {
    const other = await run(command, bad, '--json');
    assert.is(other.code, 1, command);
    assert.ok(Array.isArray(jsonLines(other.out)[0]!['diagnostics']), command);
  }
});

programs('count is alone on its line; the last space is meant, or the one that is named', async () => {
  assert.equal(await run('count', two), { code: 0, signal: null, out: '1\n', err: '' });
  assert.is((await run('count', two, '--space', 'A')).out, '2\n');
  assert.equal(jsonLines((await run('count', two, '--space', 'A', '--json')).out), [
    { exact: '2', low: '2', high: '2' },
  ]);
});

programs('sample prints programs that are members, equal for equal seeds', async () => {
  const first = await run('sample', small, '-n', '3', '--seed', '7', '--json');
  assert.is(first.out, (await run('sample', small, '-n', '3', '--seed', '7', '--json')).out);
  const rows = jsonLines(first.out);
  assert.is(rows.length, 3);
  const { space } = compileText(readFileSync(small, 'utf8'), small);
  for (const row of rows) {
    const figures = ['params', 'params_total', 'flops', 'macs', 'memory', 'depth'];
    assert.equal(keys(row), ['program', 'assignment', 'rank', ...figures]);
    assert.type(row['rank'], 'string');
    const { params, flops } = measures(space, row['assignment'] as Assignment);
    assert.equal([row['params'], row['flops']], [params, flops]);
    assert.is(count(compileText(row['program'] as string, small).space).exact, 1n);
  }
  const text = await run('sample', small, '-n', '2', '--measure', 'uniform');
  assert.is(text.out.match(/^space Small \{/gm)?.length, 2);
});

programs('train trains one member, and its weights go on where they stopped', async () => {
  const whole = await run('train', small, '--seed', '1', '--json', '--epochs', '4');
  const rows = jsonLines(whole.out);
  assert.equal(
    rows.map((r) => [r['event'], r['epoch']]),
    [
      ['epoch', 1],
      ['epoch', 2],
      ['epoch', 3],
      ['epoch', 4],
      ['done', undefined],
    ],
  );
  assert.equal(keys(rows[0]).slice(0, 5), ['event', 'trial', 'attempt', 'epoch', 'step']);
  for (const key of ['loss', 'accuracy', 'seconds']) assert.type(rows[0]![key], 'number');
  const saved = await run('train', small, '--seed', '1', '--save', 'w.safetensors');
  assert.is(saved.code, 0, saved.err);
  assert.match(saved.out, /^space Small \{[\s\S]*epoch 2\/2 [\s\S]*weights: w\.safetensors\n$/);
  const ended = await run('train', small, '--seed', '1', '--json', '--load', 'w.safetensors', '--epochs', '4');
  assert.equal(
    jsonLines(ended.out).map((r) => r['epoch']),
    [3, 4, undefined],
  );
  assert.match((await run('train', small)).err, /has [\d,]+ members: --seed N samples one/);
});

programs('fmt formats in place, says what it would do, or prints', async () => {
  const ugly = file('ugly.space', 'space A{input x:f32[B,4]\noutput y=x->dense(2)}\n');
  assert.equal([(await run('fmt', ugly, '--check')).code, (await run('fmt', ugly, '--check', '--json')).code], [1, 1]);
  const printed = await run('fmt', ugly, '--print');
  assert.match(printed.out, /^space A \{\n {2}input x: f32\[B, 4\]\n/);
  assert.is((await run('fmt', ugly)).code, 0);
  assert.is(readFileSync(join(cwd, ugly), 'utf8'), printed.out);
  assert.equal(jsonLines((await run('fmt', ugly, '--json')).out), [{ file: ugly, changed: false }]);
});

programs('info names the machine and every op', async () => {
  const [facts] = jsonLines((await run('info', '--json')).out);
  assert.equal(keys(facts), ['version', 'node', 'isa', 'bf16', 'threads', 'devices', 'ops']);
  const ops = facts!['ops'] as { name: string; cpu: boolean; cuda: boolean }[];
  assert.ok(ops.length > 20 && ops.every((o) => o.cpu && o.cuda === false));
});

programs('train --profile says where the time of a step goes', async () => {
  const { code, out } = await run('train', small, '--seed', '1', '--epochs', '1', '--profile');
  assert.is(code, 0);
  assert.match(out, /^op +uses +ms a step +share +GFLOP\/s +bytes +GB\/s$/m);
  assert.match(out, /^a step +\d+ +\S+ +100\.0%/m);
  const events = jsonLines((await run('train', small, '--seed', '1', '--epochs', '1', '--profile', '--json')).out);
  const event = events.find((e) => e['event'] === 'profile') as { rows: readonly object[] };
  assert.equal(keys(event.rows[0]), ['op', 'layer', 'uses', 'ms', 'flops', 'bytes']);
});

programs.run();

import { chmodSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { COMMANDS } from '../../src/cli/commands.ts';
import { jsonLines, temporaryFolder, tenon, tenonShell } from '../support/cli.ts';
import { writeSearch } from '../support/small-search.ts';

const cwd = temporaryFolder('errors');
const small = writeSearch(cwd);
const run = (...args: string[]): ReturnType<typeof tenon> => tenon(args, { cwd });
writeFileSync(join(cwd, 'nodata.space'), 'space A { input x: f32[B, 4] output y = x -> dense(2) }');
writeFileSync(join(cwd, 'gone.space'), readFileSync(small, 'utf8').replace('table.csv', 'gone.csv'));
writeFileSync(join(cwd, 'evil\u001b[31m.space'), 'space');
mkdirSync(join(cwd, 'folder'));

const errors = suite('cli errors');

/** Command line, exit code, what stderr says. */
const cases: readonly (readonly [string, number, RegExp])[] = [
  ['', 2, /Usage: tenon/],
  ['sreach small.space', 2, /unknown command 'sreach'\n\(Did you mean search\?\)/],
  ['search small.space --trails 3', 2, /unknown option '--trails'\n\(Did you mean --trials\?\)/],
  ['count', 2, /missing required argument 'file'/],
  ['count a b', 2, /too many arguments/],
  ['count missing.space', 1, /^error: missing\.space: there is no such file\n$/],
  ['count folder', 1, /folder: it is a folder/],
  ['count evil\u001b[31m.space', 1, /evil\\u\{1b\}\[31m\.space/],
  ['count small.space --space Smal', 1, /there is no space Smal; there (is|are) Small/],
  ['check small.space --space Smal', 1, /there is no space Smal; .*Did you mean Small\?/],
  ['sample small.space -n many', 2, /--number takes a whole number from 0 on, found "many"/],
  ['sample small.space --seed -1', 2, /--seed takes a whole number|argument missing/],
  ['sample small.space --measure fair', 2, /--measure is one of choice, uniform, balanced, found "fair"/],
  ['train small.space --seed 1 --threads 0', 2, /--threads takes a whole number from 1 to 256, found "0"/],
  ['train small.space --seed 1 --save no/such/w', 1, /no\/such\/w: there is no such folder/],
  ['train small.space --seed 1 --test', 1, /--test: the data set has no test set/],
  ['train small.space --seed 1 --load small.space', 1, /small\.space: /],
  ['train nodata.space', 1, /nodata\.space: space A says nothing of its data: add `train \{ data mnist \}`/],
  ['search nodata.space', 1, /says nothing of its data/],
  ['search gone.space', 1, /gone\.csv/],
  ['search small.space --trials 0', 2, /--trials takes a whole number from 1 on, found "0"/],
  ['search small.space --workers 2.5', 2, /--workers takes/],
  ['search small.space --memory lots', 2, /--memory takes a number above 0 with a unit \(KB, MB, GB\), found "lots"/],
  ['search small.space --time 0s', 2, /--time takes a number above 0/],
  ['search small.space --with mct', 2, /there is no searcher mct; .*Did you mean mcts\?/],
  ['search small.space --with exhaustive', 1, /exhaustive needs a space whose members can be listed/],
  ['search small.space --keep some', 2, /--keep is one of best, all, found "some"/],
  ['search small.space --study no/s.study', 1, /no\/s\.study: there is no folder no/],
  ['search small.space --study /proc/s.study', 3, /it cannot be opened/],
  ['search small.space --study table.csv', 1, /it is not a study, or it is damaged/],
  ['trials table.csv', 1, /it is not a study, or it is damaged/],
  ['best missing.study', 1, /missing\.study: there is no such study/],
  ['fmt missing.space', 1, /there is no such file/],
];

for (const [line, code, says] of cases) {
  errors(`tenon ${line}`, async () => {
    const args = line.split(' ').filter((a) => a !== '');
    const plain = await run(...args);
    assert.is(plain.code, code, plain.err);
    assert.is(plain.out, '');
    assert.match(plain.err, says);
    assert.not.match(plain.err, /\n {4}at /);
  });
}

errors('with --json errors are data too, and stdout has nothing else', async () => {
  for (const line of ['count missing.space', 'best missing.study', 'search small.space --trials 0', 'sreach x']) {
    const { code, out } = await run(...line.split(' '), '--json');
    const [document, ...more] = jsonLines(out);
    assert.equal([document!['event'], document!['code'], more], ['error', code, []]);
    assert.type(document!['error'], 'string');
  }
});

errors('what failed left nothing behind', () => {
  const left = readdirSync(cwd).filter((f) => /tmp$|\.study/.test(f));
  assert.equal(left, []);
});

errors('help tells of every command and option, and is no error', async () => {
  const all = await run('--help');
  assert.is(all.code, 0);
  for (const { name } of COMMANDS) assert.match(all.out, new RegExp(`^ {2}${name} `, 'm'));
  const search = await run('search', '--help');
  for (const option of ['--study', '--trials', '--workers', '--with', '--json', '--seed', '--threads'])
    assert.match(search.out, new RegExp(option));
  assert.is((await run('help', 'search')).out, search.out);
  assert.match((await run('--version')).out, /^\d+\.\d+\.\d+\n$/);
});

errors('a reader that goes away ends the command quietly; a full disk with code 3', async () => {
  assert.is((await run('search', small, '--trials', '3')).code, 0);
  const gone = await tenonShell(`TENON sample small.space -n 3000 | head -1`, { cwd });
  assert.equal([gone.out.split('\n').length, gone.err], [2, '']);
  if (!existsSync('/dev/full')) return;
  const full = await tenonShell(`TENON trials small.space.study --json > /dev/full`, { cwd });
  assert.equal([full.code, full.err], [3, 'error: the output cannot be written (ENOSPC)\n']);
  const csv = await run('trials', `${small}.study`, '--csv', '/dev/full');
  assert.equal([csv.code, csv.err], [3, 'error: /dev/full: the disk is full\n']);
});

errors('a search on a disk that fills up stops with code 3, and goes on when there is room', async () => {
  // Files may not grow above 30 blocks of 1024 bytes.
  const full = await tenonShell(`ulimit -f 60; TENON search small.space --study full.study --trials 30`, { cwd });
  assert.is(full.code, 3, full.out + full.err);
  assert.match(full.err, /error: .*(disk|EFBIG|file too large|full)/i);
  const on = await run('search', small, '--study', 'full.study', '--trials', '30', '--workers', '2');
  assert.is(on.code, 0, on.err);
  assert.is((JSON.parse((await run('trials', 'full.study', '--json')).out) as unknown[]).length, 30);
});

errors('studies in a folder that may not be written can be read', async () => {
  const folder = join(cwd, 'readonly');
  mkdirSync(folder);
  for (const f of readdirSync(cwd))
    if (f === 'small.space.study') writeFileSync(join(folder, f), readFileSync(join(cwd, f)));
  chmodSync(cwd, 0o755);
  chmodSync(folder, 0o555);
  // Root may write anywhere: then another user tries.
  const env = process.getuid?.() === 0 ? 'setpriv --reuid=65534 --clear-groups' : 'env';
  const read = await tenonShell(`${env} TENON trials readonly/small.space.study`, { cwd });
  chmodSync(folder, 0o755);
  assert.is(read.code, 0, read.err);
  assert.match(read.out, /^trial +state/);
  assert.equal(readdirSync(folder), ['small.space.study']);
  rmSync(folder, { recursive: true });
});

errors('no colour where nobody looks, or where it is not wanted', async () => {
  const bare = await tenonShell('TENON check small.space', { cwd, env: { NO_COLOR: '' } });
  assert.not.match(bare.out, /\u001b/);
  const forced = await tenonShell('TENON check small.space', { cwd, env: { NO_COLOR: '', FORCE_COLOR: '1' } });
  assert.match(forced.out, /\u001b\[1mspace Small/);
  const both = await tenonShell('TENON check small.space', { cwd, env: { NO_COLOR: '1', FORCE_COLOR: '1' } });
  assert.not.match(both.out, /\u001b/);
});

errors('commands load what they need: info no parser, count no addon, help nothing', async () => {
  const preload = join(import.meta.dirname, '..', 'support', 'loaded.mjs');
  const loadedBy = async (...args: string[]): Promise<string> => {
    const LOADED = join(cwd, `loaded-${args[0]!}`);
    const env = { LOADED, NODE_OPTIONS: `--import ${preload}` };
    assert.is((await tenon(args, { cwd, env })).code, 0);
    return readFileSync(LOADED, 'utf8');
  };
  const [info, count, help, trials] = [
    await loadedBy('info'),
    await loadedBy('count', small),
    await loadedBy('--help'),
    await loadedBy('trials', `${small}.study`),
  ];
  assert.match(info, /tenon\.node/);
  assert.not.match(info, /chevrotain|src\/lang|sqlite/);
  assert.match(count, /chevrotain/);
  assert.not.match(count, /tenon\.node|sqlite/);
  assert.not.match(help, /chevrotain|tenon\.node|sqlite|src\/(lang|space|ops)/);
  assert.not.match(trials, /chevrotain|tenon\.node|src\/lang/);
});

errors.run();

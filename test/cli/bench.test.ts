import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { jsonLines, temporaryFolder, tenon } from '../support/cli.ts';

const cwd = temporaryFolder('bench');
const run = (...args: string[]): ReturnType<typeof tenon> => tenon(['bench', ...args], { cwd });

const bench = suite('cli bench');

bench('the machine, its roofline, a case a row', async () => {
  const { code, out } = await run('--filter', 'gemm/64x', '--seconds', '0.01s', '--threads', '1');
  assert.is(code, 0);
  assert.match(out, /^.*threads: 1, node/m);
  assert.match(out, /^roofline: \d+ GFLOP\/s multiply-add, [\d.]+ GB\/s read from memory$/m);
  assert.match(out, /^case +ms +GFLOP\/s +of roofline$/m);
  assert.match(out, /^gemm\/64x200x784 +[\d.]+ +[\d.]+ +\d+%$/m);
});

bench('--json: rows with the keys of the contract', async () => {
  const { code, out } = await run('--filter', 'gemm/64x', '--seconds', '0.01s', '--json');
  assert.is(code, 0);
  const rows = jsonLines(out);
  assert.equal(
    rows.map((r) => r['case']),
    ['machine/multiply-add', 'machine/read', 'gemm/64x200x784'],
  );
  for (const row of rows) {
    for (const key of ['case', 'peer', 'threads', 'ms', 'gflops', 'ratio']) assert.ok(key in row, key);
  }
});

bench('a pattern that nothing meets is a mistake in the use', async () => {
  const { code, err } = await run('--filter', 'gemn');
  assert.is(code, 2);
  assert.match(err, /--filter "gemn" matches none of the \d+ cases/);
});

bench.run();

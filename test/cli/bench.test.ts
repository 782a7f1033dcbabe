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
  assert.match(out, /^roofline: \d+ GFLOP\/s multiply-add, \d+ of bf16, [\d.]+ GB\/s read from memory$/m);
  assert.match(out, /^case +ms +GFLOP\/s +of roofline$/m);
  assert.match(out, /^gemm\/64x200x784 +[\d.]+ +[\d.]+ +\d+%$/m);
});

bench('--json: rows with the keys of the contract', async () => {
  const { code, out } = await run('--filter', 'gemm/64x', '--seconds', '0.01s', '--json');
  assert.is(code, 0);
  const rows = jsonLines(out);
  assert.equal(
    rows.map((r) => r['case']),
    ['machine/multiply-add', 'machine/multiply-add-bf16', 'machine/read', 'gemm/64x200x784'],
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

bench('--over: each case by turns with the plain work of its sizes, or with one that is named', async () => {
  const quick = ['--over', '--seconds', '0.001s', '--rounds', '3'];
  const { code, out } = await run('--filter', 'phm 4 8 8 2', ...quick);
  assert.is(code, 0);
  assert.match(out, /^phm\/4x8x8x2\/fwdbwd +[\d.]+ +dense\/4x8x8\/fwdbwd +[\d.]+ +[\d.]+ +[\d.]+ to [\d.]+$/m);
  const named = await run('--filter', 'gemm 4 4 4', ...quick.with(0, '--over=gemm 8 8 8'), '--json');
  const [row, ...more] = jsonLines(named.out);
  assert.equal(more, []);
  assert.equal([row!['case'], row!['over'], row!['rounds']], ['gemm/4x4x4', 'gemm/8x8x8', 3]);
  assert.ok((row!['low'] as number) <= (row!['ratio'] as number));
});

bench('--over: what nothing is measured by, sizes that do not fit, several others', async () => {
  for (const [args, said] of [
    [['--filter', 'gemm/64x', '--over'], /gemm is measured by none of ours/],
    [['--filter', 'phm 4 9 8 2', '--over'], /these sizes do not fit: .*impossible axis/],
    [['--filter', 'gemm/64x', '--over', 'conv/'], /--over takes one case, and "conv\/" matches conv/],
    [['--filter', 'gemm/64x', '--over', 'phm 4 8 8 2'], /has no part that is also one of gemm/],
    [['--over', '--peers'], /give one of them/],
  ] as const) {
    const { code, err } = await run(...args);
    assert.is(code, 2, err);
    assert.match(err, said);
  }
});

bench.run();

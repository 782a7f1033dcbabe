import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { compareCases, compare } from '../../src/bench/compare.ts';
import { casesOf, KINDS, matcher, ownLines, parseLines } from '../../src/bench/kinds.ts';
import type { Case } from '../../src/bench/case.ts';
import type { Peer } from '../../src/bench/peer.ts';
import { onnxruntime } from '../../src/bench/peers/onnxruntime.ts';
import { torch } from '../../src/bench/peers/torch.ts';

const bench = suite('bench');
const roof = { threads: 1, gflops: 100, bf16Gflops: 200, gbs: 20 };
const [line] = parseLines('gemm/4x4x4 gemm 4 4 4  # small\n\nother/x unknown 1');

bench('lines are read, comments and empty ones left out', () => {
  assert.equal(line, { name: 'gemm/4x4x4', kind: 'gemm', words: ['4', '4', '4'] });
  assert.equal(casesOf({ name: 'other/x', kind: 'unknown', words: ['1'] }, 1), []);
});

bench('every kind has lines of its own, and their names are unique', () => {
  const names = ownLines().map((l) => l.name);
  assert.is(new Set(names).size, names.length);
  for (const { kind } of KINDS)
    assert.ok(
      ownLines().some((l) => l.kind === kind),
      kind,
    );
});

bench('a pattern is met by names that it begins, with * for anything', () => {
  assert.ok(matcher('gemm')('gemm/1x1x1'));
  assert.ok(matcher('*/mlp')('train/mlp_b64'));
  assert.not(matcher('conv.')('conv/x'));
});

bench('ours and a peer in turn, each round; the ratio is of the middle rounds', async () => {
  const asked: string[] = [];
  const peer: Peer = {
    name: 'slow',
    version: '1',
    measure: (l) => {
      asked.push(l.name);
      return Promise.resolve([{ case: l.name, ms: [1, 1000, 2000][asked.length - 1]! }]);
    },
    close: () => {},
  };
  const rows = await compare(line!, { threads: 1, seconds: 0.01, rounds: 3, peers: [peer], roof });
  assert.equal(asked, ['gemm/4x4x4', 'gemm/4x4x4', 'gemm/4x4x4']);
  const [ours, slow] = rows as [(typeof rows)[0], (typeof rows)[0]];
  assert.is(ours.peer, 'ours');
  assert.is(ours.ratio, null);
  assert.ok(ours.ms! > 0 && ours.ofRoof! > 0);
  assert.is(slow.ms, 1000);
  assert.is(slow.ratio, 1000 / ours.ms!);
  assert.is(slow.gflops, 128 / 1000 / 1e6);
});

bench('the floor is of each precision at its own peak, or of memory', async () => {
  const shareOf = async (more: Partial<Case>): Promise<readonly [ms: number, share: number, gflops: number | null]> => {
    const c: Case = { name: 'c', flop: 3e6, items: 0, steps: 1, run: () => {}, ...more };
    const [row] = await compareCases(line!, [c], { threads: 1, seconds: 0.001, rounds: 1, peers: [], roof });
    return [row!.ms!, row!.ofRoof!, row!.gflops];
  };
  const near = (found: number, expected: number): void => assert.ok(Math.abs(found / expected - 1) < 1e-9);
  const [plain, mixed, memory] = [
    await shareOf({}),
    await shareOf({ least: { f32: 1e6, bf16: 1e6 } }),
    await shareOf({ flop: 0, bytes: 2e6 }),
  ];
  near(plain[0] * plain[1], 0.03);
  near(mixed[0] * mixed[1], 0.015);
  near(memory[0] * memory[1], 0.1);
  near(mixed[2]! * mixed[0], 3);
  assert.is(memory[2], null);
});

for (const def of [torch, onnxruntime]) {
  bench(`${def.name}: times a product, knows nothing of unknown kinds, or says why it cannot be had`, async () => {
    const peer = await def.open(1);
    if (typeof peer === 'string') {
      assert.ok(peer.length > 0);
      console.log(`skipped: ${def.name}: ${peer}`);
      return;
    }
    const times = await peer.measure(line!, 0.01);
    assert.equal(
      times.map((t) => t.case),
      ['gemm/4x4x4'],
    );
    assert.ok(times[0]!.ms > 0);
    assert.equal(await peer.measure({ name: 'x', kind: 'unknown', words: [] }, 0.01), []);
    peer.close();
  });
}

bench('a python that is not there is said', async () => {
  process.env['TENON_PYTHON'] = '/nowhere/python';
  const found = await torch.open(1);
  delete process.env['TENON_PYTHON'];
  assert.match(found as string, /^\/nowhere\/python: does not start/);
});

bench.run();

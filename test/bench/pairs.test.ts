import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Case } from '../../src/bench/case.ts';
import { chosenLines, KINDS, overOf, ownLines, parseLines, sizedLine } from '../../src/bench/kinds.ts';
import { pairsOf, quantile, timePair } from '../../src/bench/pairs.ts';

const pairs = suite('bench pairs');

/** Takes so many milliseconds, and notes its name. */
function idle(name: string, ms: number, calls: string[]): Case {
  const run = (): void => {
    calls.push(name);
    const end = performance.now() + ms;
    while (performance.now() < end);
  };
  return { name, flop: 6e6, items: 0, steps: 1, run };
}

pairs('two cases take turns, and each is first in every second round', () => {
  const calls: string[] = [];
  const row = timePair(idle('slow', 2, calls), idle('fast', 1, calls), { threads: 1, seconds: 0, rounds: 4 });
  const turns = ['slow', 'slow', 'fast', 'fast', 'fast', 'fast', 'slow', 'slow'];
  assert.equal(calls, [...turns, ...turns, ...turns]);
  assert.equal([row.case, row.over, row.threads, row.rounds], ['slow', 'fast', 1, 4]);
  assert.ok(row.ms >= 2 && row.overMs >= 1);
  assert.ok(row.low <= row.ratio && row.ratio <= row.high);
  assert.ok(Math.abs(row.gflops! - 6 / row.ms) < 1e-9);
});

pairs('quantiles lie between neighbours', () => {
  assert.is(quantile([3, 1, 2], 0.5), 2);
  assert.is(quantile([4, 1, 2, 3], 0.5), 2.5);
  assert.is(quantile([1, 2, 3, 4, 5], 0.25), 2);
  assert.is(quantile([7], 0.75), 7);
});

pairs('a kind with sizes is a case, and nothing else of that form is', () => {
  assert.equal(sizedLine('gemm 3 4 5'), { name: 'gemm/3x4x5', kind: 'gemm', words: ['3', '4', '5'] });
  for (const text of ['gemm 3 4', 'gemm 3 4 x', 'gemm', 'gem 3 4 5', 'train 64 mlp']) assert.is(sizedLine(text), null);
  assert.equal(chosenLines('phm 8 4 4 2'), [sizedLine('phm 8 4 4 2')]);
  assert.equal(
    chosenLines('phm/b64'),
    ownLines().filter((l) => l.name.startsWith('phm/b64')),
  );
});

pairs('what a kind is measured by is work of our own of the same parts', () => {
  const small = {
    phc: 'phc 2 4 4 4 4 3 1 2',
    phm: 'phm 2 4 4 2',
    flora: 'flora 1 4 4 4 4 3 1 2 2 3 3',
    moe: 'moe 4 4 8 2 1 0.5',
  };
  for (const [kind, text] of Object.entries(small)) {
    const line = sizedLine(text)!;
    const over = overOf(line)!;
    assert.ok(over, kind);
    const parts = pairsOf(line, over, 1);
    assert.equal(
      parts.map(([c]) => c.name.split('/').at(-1)),
      ['fwd', 'fwdbwd'],
      kind,
    );
    for (const [c, by] of parts) assert.is(c.flop, by.flop, c.name);
  }
  for (const line of ownLines().filter((l) => KINDS.find((k) => k.kind === l.kind)!.over?.(l.words)))
    assert.ok(overOf(line), line.name);
  assert.is(overOf(sizedLine('moe 4 4 8 2 1')!), null);
  assert.equal(pairsOf(parseLines('a/x gemm 2 2 2')[0]!, sizedLine('phm 2 4 4 2')!, 1), []);
});

pairs.run();

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Board } from '../../src/cli/board.ts';
import { bytes, duration, figure, figuresText, grouped, short, table } from '../../src/cli/format.ts';
import { printable } from '../../src/cli/io.ts';
import { bar } from '../../src/cli/progress.ts';
import type { Trial } from '../../src/study/trial.ts';

const trial = (n: number, state: Trial['state']): Trial => ({
  trial: n,
  state,
  aside: null,
  cause: state === 'failed' ? 'nan' : null,
  message: null,
  attempts: 1,
  decisions: {},
  program: '',
  measures: {},
  metrics: null,
  seed: 0,
  device: null,
  seconds: 1,
  revision: 1,
});

const boards = suite('cli board');

boards('counts what ended, and what runs by its epochs', () => {
  const board = new Board(10, null, 2);
  assert.match(board.lines()[0]!, /^━{6}╌{24} 2\/10 {2}no result yet$/);
  board.take({ kind: 'start', trial: 2, attempt: 1 });
  assert.is(board.lines()[1], 'trial 2 starts');
  const progress = { kind: 'progress', epoch: 2, epochs: 4, done: 5, total: 10 } as const;
  board.take({ kind: 'report', trial: 2, attempt: 1, report: progress });
  assert.is(board.lines()[1], 'trial 2 epoch 2/4');
  assert.match(board.lines()[0]!, /^━{7}╌{23} 2\/10 .* ETA \d/);
  board.take({ kind: 'end', trial: trial(2, 'complete'), best: 2 });
  board.bestIs(2, [['accuracy', 0.5]]);
  board.take({ kind: 'start', trial: 3, attempt: 1 });
  board.take({ kind: 'end', trial: trial(3, 'failed'), best: 2 });
  assert.match(board.lines()[0]!, /^━{12}╌{18} 4\/10, 1 failed {2}best accuracy 0\.5000 \(trial 2\) {2}ETA /);
  assert.is(board.lines().length, 1);
  board.draining = true;
  assert.match(board.lines()[0]!, /Ctrl-C again to stop now$/);
});

boards('a retry takes a trial off the line until it starts again', () => {
  const board = new Board(2, null, 0);
  board.take({ kind: 'start', trial: 0, attempt: 1 });
  board.take({ kind: 'retry', trial: 0, attempt: 1, cause: 'crash', message: 'boom' });
  assert.is(board.lines().length, 1);
});

boards('a budget of time alone has no number of trials', () => {
  const [line] = new Board(Infinity, 3600, 7).lines();
  assert.match(line!, /^╌{30} 7 trials {2}no result yet {2}ETA (1h00m|59m\d\ds)$/);
});

boards('numbers are short and of equal places', () => {
  assert.equal([short(999), short(203_530), short(1_675_000), short(0.25)], ['999', '203.5k', '1.675M', '0.25']);
  assert.equal([bytes(1023), bytes(1536), bytes(3 * 1024 ** 3)], ['1023 B', '1.5 KiB', '3 GiB']);
  assert.equal([duration(59), duration(61), duration(3700), duration(-3)], ['59s', '1m01s', '1h01m', '0s']);
  assert.equal([figure(0.98126), figure(undefined), figure(12_345), figure(NaN)], ['0.9813', '-', '12,345', 'NaN']);
  assert.is(grouped(60_466_176n), '60,466,176');
  assert.is(figuresText({ loss: 0.5, accuracy: 1 }), 'accuracy 1.0000  loss 0.5000');
});

boards('tables line up, wide characters too', () => {
  assert.equal(
    table(
      ['name', 'n'],
      [
        ['漢字', '5'],
        ['a', '123'],
      ],
    ),
    ['name    n', '漢字    5', 'a     123'],
  );
});

boards('bars stay within their ends; control characters are shown', () => {
  assert.equal([bar(-1, 4), bar(0.5, 4), bar(7, 4)], ['╌╌╌╌', '━━╌╌', '━━━━']);
  assert.is(printable('a\u001b[31m\u202eb\nc'), 'a\\u{1b}[31m\\u{202e}b\nc');
});

boards.run();

import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { assignmentKey, dominates, History, paretoFront } from '../../src/search/history.ts';

const accuracy = [{ direction: 'maximize', name: 'accuracy' }] as const;
const both = [...accuracy, { direction: 'minimize', name: 'params' }] as const;

const histories = suite('history');

histories('the key of an assignment does not depend on the order of its paths', () => {
  assert.is(assignmentKey({ a: 1, b: 'x' }), assignmentKey({ b: 'x', a: 1 }));
  assert.is.not(assignmentKey({ a: 1 }), assignmentKey({ a: '1' }));
  assert.is.not(assignmentKey({ a: [1, 2] }), assignmentKey({ a: [12] }));
});

histories('ranks run from 0 to 1, ties share, failures and nan are 0', () => {
  const h = new History(accuracy);
  [0.5, 0.9, 0.7, 0.7, NaN].forEach((v, i) => {
    h.asked(i, { i });
    h.told(i, 'complete', { accuracy: v });
  });
  h.asked(5, { i: 5 });
  h.told(5, 'failed', null);
  h.asked(6, { i: 6 });
  const r = h.ranks();
  assert.equal(
    [0, 1, 2, 3, 4, 5].map((t) => r.get(t)),
    [0, 1, 0.5, 0.5, 0, 0],
  );
  assert.is(r.get(6), undefined);
  assert.is(h.best()!.trial, 1);
  assert.ok(h.has({ i: 6 }) && !h.has({ i: 7 }));
});

histories('a trial that was never asked cannot be told', () => {
  assert.throws(() => new History(accuracy).told(0, 'complete', {}), /never asked/);
});

histories('nothing on the front is dominated, everything off it is', () => {
  const points = fc.array(fc.tuple(fc.nat(9), fc.nat(9)), { minLength: 1, maxLength: 30 });
  fc.assert(
    fc.property(points, (list) => {
      const h = new History(both);
      list.forEach(([a, p], i) => {
        h.asked(i, { i });
        h.told(i, 'complete', { accuracy: a, params: p });
      });
      const score = (i: number): number[] => [list[i]![0], -list[i]![1]];
      const front = new Set(paretoFront(h.trials, both).map((t) => t.trial));
      list.forEach((_, i) => {
        const beaten = list.some((_p, j) => dominates(score(j), score(i)));
        assert.is(front.has(i), !beaten);
      });
      const ranks = h.ranks();
      list.forEach((_, i) =>
        list.forEach((_p, j) => dominates(score(i), score(j)) && assert.ok(ranks.get(i)! >= ranks.get(j)!)),
      );
    }),
  );
});

histories.run();

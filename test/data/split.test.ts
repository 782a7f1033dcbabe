import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { epochOrder, split, validationSize } from '../../src/data/split.ts';

const splits = suite('splits');

splits('validation is 10,000 of 60,000, or a sixth of fewer', () => {
  assert.is(validationSize(60_000), 10_000);
  assert.is(validationSize(600), 100);
  assert.is(validationSize(5), 0);
});

splits('the parts are disjoint, whole, and fixed by the seed', () => {
  const a = split(1000, 3);
  assert.equal(
    [...a.train, ...a.validation].sort((x, y) => x - y),
    Array.from({ length: 1000 }, (_, i) => i),
  );
  assert.equal(split(1000, 3), a);
  assert.not.equal(split(1000, 4), a);
});

splits('an epoch visits examples at most once, in whole batches, in a new order', () => {
  const { train } = split(100, 0);
  const first = epochOrder(train, 16, 0, 1);
  assert.is(first.length, 80);
  assert.is(new Set(first).size, 80);
  assert.ok([...first].every((i) => train.includes(i)));
  assert.not.equal(epochOrder(train, 16, 0, 2), first);
  assert.equal(epochOrder(train, 16, 0, 1), first);
});

splits.run();

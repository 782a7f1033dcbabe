import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { roundBf16 } from '../../src/base/precision.ts';

const rounding = suite('rounding to bf16');

rounding('to nearest, ties to even', () => {
  const step = 2 ** -7;
  for (const [x, y] of [
    [1, 1],
    [1 + step, 1 + step],
    [1 + step / 2, 1],
    [1 + 1.5 * step, 1 + 2 * step],
    [1 + step / 2 + 2 ** -23, 1 + step],
    [1 + step / 2 - 2 ** -23, 1],
    [-1 - 1.5 * step, -1 - 2 * step],
    [2 - step / 2, 2],
  ] as const)
    assert.is(roundBf16(x), y, `${x}`);
});

rounding('what is no usual number', () => {
  for (const x of [0, -0, Infinity, -Infinity, NaN, 2 ** -126]) assert.ok(Object.is(roundBf16(x), x), `${x}`);
  const largest = (2 - 2 ** -7) * 2 ** 127;
  assert.is(roundBf16(largest), largest);
  assert.is(roundBf16(3.4e38), Infinity);
  assert.is(roundBf16(-3.4e38), -Infinity);
  assert.ok(Object.is(roundBf16(2 ** -127), 0), 'subnormals are 0');
  assert.ok(Object.is(roundBf16(-(2 ** -130)), -0));
});

rounding.run();

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Random } from '../../src/base/philox.ts';
import { hadamard, hadamardSync, philox, tensor } from '../../src/kernels/index.ts';
import { fault } from '../support/fault.ts';

const some = suite('kernels: hadamard, philox');

some('worked numbers', async () => {
  const x = tensor([1, 0, 1, 0, 0, 1, 1, 0]);
  const { y } = await hadamard({ x });
  assert.equal([...y.data], [4, 2, 0, -2, 0, 2, 0, 2]);
  assert.equal(hadamardSync({ x: y, scale: 1 / 8 }).y, x);
  const hex = (counter: number[], key: number[]): string =>
    [...philox({ counter, key })].map((w) => w.toString(16).padStart(8, '0')).join(' ');
  assert.is(hex([0, 0, 0, 0], [0, 0]), '6627e8d5 e169c58d bc57ac4c 9b00dbd8');
  assert.is(
    hex([0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344], [0xa4093822, 0x299f31d0]),
    'd16cfe09 94fdcceb 5001e420 24126ea1',
  );
  const ones = 0xffffffff;
  assert.is(hex([ones, ones, ones, ones], [ones, ones]), '408f276d 41c83b0e a20bc7c6 6d5451fd');
});

some('twice is n times, at sizes beyond the caches', () => {
  const random = new Random('hadamard');
  for (const n of [2 ** 15, 2 ** 20, 2 ** 21]) {
    const x = Float32Array.from({ length: n }, () => Math.round(8 * random.normal()));
    const { y } = hadamardSync({ x });
    assert.is(y.data[0], Math.fround(x.reduce((a, b) => a + b, 0)));
    hadamardSync({ x: y, scale: 1 / n, out: { y: new Float32Array(n) } }).y.data.forEach((v, i) => {
      if (Math.abs(v - x[i]!) > 1e-3) assert.unreachable(`${v} is not ${x[i]} at ${i} of ${n}`);
    });
  }
});

some('errors', () => {
  assert.is(fault(() => hadamardSync({ x: tensor([1, 2, 3]) })).argument, 'x');
  assert.is(fault(() => hadamardSync({ x: new Float32Array(0) })).argument, 'x');
  assert.is(fault(() => hadamardSync({ x: tensor([1, 2]), scale: Infinity })).argument, 'scale');
  assert.is(fault(() => philox({ counter: [0, 0, 0], key: [0, 0] })).argument, 'counter');
  assert.is(fault(() => philox({ counter: [0, 0, 0, -1], key: [0, 0] })).argument, 'counter');
  assert.is(fault(() => philox({ counter: [0, 0, 0, 0], key: [2 ** 32, 0] })).argument, 'key');
  assert.is(fault(() => philox({ counter: [0, 0, 0, 0], kei: [0, 0] } as never)).argument, 'kei');
});

some.run();

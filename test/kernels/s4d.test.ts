import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Random } from '../../src/base/philox.ts';
import { s4d, tensor } from '../../src/kernels/index.ts';
import type { Tensor } from '../../src/kernels/index.ts';
import { fault } from '../support/fault.ts';

const random = new Random('s4d');
const normal = (...shape: readonly number[]): Tensor =>
  tensor(
    Float32Array.from({ length: shape.reduce((n, d) => n * d, 1) }, () => random.normal()),
    shape,
  );
const steps = (h: number): Tensor => tensor(Float32Array.from({ length: h }, () => random.normal() / 2 - 3));

const kernels = suite('kernels: s4d');

kernels('an impulse gives K', async () => {
  const [h, n, length] = [17, 3, 50];
  const given = { logDt: steps(h), A: s4d.modes({ init: 'lin', modes: n, channels: h }), C: normal(h, n, 2) };
  const u = tensor(new Float32Array(length * h), [1, length, h]);
  u.data.fill(1, 0, h);
  const { y } = await s4d.forward({ u, ...given });
  const { K } = await s4d.kernel({ ...given, length });
  assert.equal(K.shape, [h, length]);
  y.data.forEach((v, i) => assert.ok(Math.abs(v - K.data[(i % h) * length + Math.floor(i / h)]!) < 1e-5));
});

kernels('gradients of all that is given, by themselves and through K', async () => {
  const [batch, length, h, n] = [2, 40, 5, 4];
  const given = { logDt: steps(h), A: s4d.modes({ init: 'legs', modes: n, channels: h }), C: normal(h, n, 2) };
  const [u, D, dy] = [normal(batch, length, h), normal(h), normal(batch, length, h)];
  const { y, ctx } = await s4d.forward({ u, ...given, D });
  assert.equal(y.shape, [batch, length, h]);
  const grads = await s4d.backward(ctx, { dy });
  const dK = tensor(new Float32Array(h * length), [h, length]);
  for (let b = 0; b < batch; b++)
    for (let l = 0; l < length; l++)
      for (let j = 0; j <= l; j++)
        for (let c = 0; c < h; c++) {
          const at = (t: number): number => (b * length + t) * h + c;
          dK.data[c * length + j]! += dy.data[at(l)]! * u.data[at(l - j)]!;
        }
  const through = s4d.backwardSync(s4d.kernelSync({ ...given, length }).ctx, { dK });
  for (const name of ['dlogDt', 'dA', 'dC'] as const)
    grads[name].data.forEach((v, i) => {
      const other = through[name].data[i]!;
      assert.ok(Math.abs(v - other) < 2e-5 * Math.max(1, Math.abs(other)), `${name}[${i}] ${v} ${other}`);
    });
  assert.equal(grads.du.shape, u.shape);
  const dD = new Float64Array(h);
  u.data.forEach((v, i) => (dD[i % h]! += v * dy.data[i]!));
  dD.forEach((v, i) => assert.ok(Math.abs(v - grads.dD!.data[i]!) < 1e-4));
});

kernels('D is 0 where it is not given; nothing gives nothing', () => {
  const none = s4d.forwardSync({ u: normal(2, 3, 4), logDt: steps(4), A: normal(4, 0, 2), C: normal(4, 0, 2) });
  assert.ok(none.y.data.every((v) => v === 0));
  assert.is(none.y.data.length, 24);
  const empty = { logDt: steps(3), A: normal(3, 2, 2), C: normal(3, 2, 2) };
  assert.equal(s4d.kernelSync({ ...empty, length: 0 }).K.shape, [3, 0]);
  const { ctx } = s4d.forwardSync({ u: normal(4, 0, 3), ...empty });
  const { dA, du } = s4d.backwardSync(ctx, { dy: normal(4, 0, 3) });
  assert.ok(dA.data.every((v) => v === 0));
  assert.equal(du.shape, [4, 0, 3]);
});

kernels('errors', () => {
  const given = { u: normal(1, 2, 3), logDt: steps(3), A: normal(3, 2, 2), C: normal(3, 2, 2) };
  assert.is(fault(() => s4d.forwardSync({ ...given, A: normal(3, 2) })).argument, 'A');
  assert.is(fault(() => s4d.forwardSync({ ...given, A: normal(3, 2, 3) })).argument, 'A');
  assert.is(fault(() => s4d.forwardSync({ ...given, C: normal(3, 1, 2) })).argument, 'C');
  assert.is(fault(() => s4d.forwardSync({ ...given, logDt: steps(4) })).argument, 'logDt');
  assert.is(fault(() => s4d.forwardSync({ ...given, D: steps(2) })).argument, 'D');
  const { logDt, A, C } = given;
  assert.is(fault(() => s4d.kernelSync({ logDt, A, C, length: -1 })).argument, 'length');
  assert.is(fault(() => s4d.kernelSync({ logDt, A, C, length: 2 ** 32 })).argument, 'length');
  assert.is(fault(() => s4d.modes({ init: 'log' as never, modes: 1 })).argument, 'init');
  assert.is(fault(() => s4d.modes({ init: 'lin', modes: 0.5 })).argument, 'modes');
  assert.is(fault(() => s4d.modes({ init: 'lin', modes: 5, channels: -1 })).argument, 'channels');
});

kernels.run();

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Random } from '../../src/base/philox.ts';
import { moe, TenonError, tensor } from '../../src/kernels/index.ts';
import type { Tensor } from '../../src/kernels/index.ts';

const random = new Random('kernels', 'moe');
const drawn = (...shape: number[]): Tensor =>
  tensor(
    Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => random.normal()),
    shape,
  );
const [T, D, H, E] = [6, 5, 7, 3];
const layer = () => ({
  x: drawn(T, D),
  router: drawn(D, E),
  w1: drawn(E, H, D),
  w2: drawn(E, D, H),
  b1: drawn(E, H),
  b2: drawn(E, D),
  w3: drawn(E, H, D),
  noise: drawn(T, E),
});

const api = suite('kernels: moe');

api('the worked logits', async () => {
  // x·router are the logits where the router is the identity.
  const x = tensor([2, 1, 0, 0, 2, 1, 1, 0, 2, 1, 1, 1].map(Number), [4, 3]);
  const router = tensor([1, 0, 0, 0, 1, 0, 0, 0, 1], [3, 3]);
  const ones = (n: number, ...shape: number[]): Tensor => tensor(new Float32Array(n).fill(1), shape);
  const found = await moe.forward({
    x,
    router,
    w1: ones(9, 3, 1, 3),
    w2: ones(9, 3, 3, 1),
    topK: 2,
    balance: 1,
    activation: 'relu',
  });
  assert.equal([...found.experts.data], [0, 1, 1, 2, 2, 0, 0, 1]);
  assert.equal([...found.counts.data], [3, 3, 2]);
  assert.is(found.dropped, 0);
  assert.ok(Math.abs(found.aux - 1) < 1e-6);
  found.y.data.forEach((v) => assert.ok(Math.abs(v - 3) < 1e-5)); // every expert sums its token
});

api('gradients are those of central differences', async () => {
  const given = layer();
  const options = { topK: 2, activation: 'silu', balance: 0.5, zLoss: 0.1 } as const;
  const dy = drawn(T, D);
  const lossOf = (): number => {
    const { y, aux } = moe.forwardSync({ ...given, ...options });
    return y.data.reduce((sum, v, i) => sum + v * dy.data[i]!, 2 * aux);
  };
  const { ctx } = await moe.forward({ ...given, ...options });
  const found = await moe.backward(ctx, { dy, dAux: 2 });
  for (const name of ['x', 'router', 'w1', 'w2', 'b1', 'b2', 'w3', 'noise'] as const) {
    const { data } = given[name];
    const slopes = found[`d${name}`]!.data;
    assert.is(slopes.length, data.length);
    for (let i = 0; i < data.length; i += 5) {
      const old = data[i]!;
      data[i] = old + 1e-2;
      const above = lossOf();
      data[i] = old - 1e-2;
      const below = lossOf();
      data[i] = old;
      const slope = (above - below) / 2e-2;
      assert.ok(
        Math.abs(slope - slopes[i]!) < 2e-2 * Math.max(1, Math.abs(slope)),
        `d${name}[${i}]: ${slopes[i]} for ${slope}`,
      );
    }
  }
});

api('room, and more experts asked for than there are', () => {
  const given = layer();
  const full = moe.forwardSync({ ...given, topK: 1, capacityFactor: 1 });
  assert.ok(full.counts.data.every((n) => n <= 2));
  assert.is(
    full.counts.data.reduce((a, b) => a + b, full.dropped),
    T,
  );
  assert.equal(moe.forwardSync({ ...given, topK: 9 }).experts.shape, [T, E]);
});

api('says what is wrong', () => {
  const given = layer();
  const cases: readonly (readonly [object, string])[] = [
    [{ topK: 0 }, 'topK'],
    [{ gate: 'softmax' }, 'gate'],
    [{ capacityFactor: -1 }, 'capacityFactor'],
    [{ priority: 'first' }, 'priority'],
    [{ w2: drawn(E, H, D) }, 'w2'],
    [{ b1: drawn(E, D) }, 'b1'],
    [{ activation: 'swish' }, 'activation'],
    [{ top: 2 }, 'top'],
  ];
  for (const [wrong, argument] of cases) {
    try {
      moe.forwardSync({ ...given, ...wrong });
      assert.unreachable(argument);
    } catch (error) {
      assert.ok(error instanceof TenonError, String(error));
      assert.is(error.argument, argument);
    }
  }
});
api.run();

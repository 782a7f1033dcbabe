import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Random } from '../../src/base/philox.ts';
import { sparseProjection, TenonError, tensor } from '../../src/kernels/index.ts';

const random = new Random('projections');
const kernels = suite('kernels: very sparse projections of data');

interface Lists {
  readonly values: Float32Array;
  readonly indices: Int32Array;
  readonly offsets: Int32Array;
}
function sparseRows(
  rows: number,
  features: number,
  share: number,
): { readonly x: Float32Array; readonly lists: Lists } {
  const x = Float32Array.from({ length: rows * features }, () => (random.uniform() < share ? random.normal() : 0));
  const [values, indices, offsets] = [[] as number[], [] as number[], [0]];
  for (let r = 0; r < rows; r++) {
    for (let j = 0; j < features; j++) {
      const v = x[r * features + j]!;
      if (v === 0) continue;
      values.push(v);
      indices.push(j);
    }
    offsets.push(values.length);
  }
  return {
    x,
    lists: { values: Float32Array.from(values), indices: Int32Array.from(indices), offsets: Int32Array.from(offsets) },
  };
}

kernels('lists and dense rows give the same, for any number of threads', async () => {
  const [rows, features, k] = [150, 301, 65];
  const { x, lists } = sparseRows(rows, features, 0.1);
  for (const sparsity of [1, 3, 0, 100]) {
    const which = { k, sparsity, seed: 5 };
    const dense = sparseProjection.denseSync({ x: { data: x, shape: [rows, features] }, ...which, threads: 1 }).y;
    for (const threads of [1, 2, 3]) {
      assert.equal(
        (await sparseProjection.dense({ x: { data: x, shape: [rows, features] }, ...which, threads })).y,
        dense,
      );
      const { y } = sparseProjection.csrSync({ ...lists, features, ...which, threads });
      assert.equal(y.shape, dense.shape);
      y.data.forEach((v, i) => assert.ok(Math.abs(v - dense.data[i]!) < 1e-5, `${v} and ${dense.data[i]}`));
    }
  }
});

// |y|²/|x|² has mean 1 and variance (2 + (s − 3)·Σx⁴/(Σx²)²)/k (Li, Hastie and Church 2006, lemma 3).
kernels('lengths are kept, with the variance that the paper gives', () => {
  const [features, k, draws, sparsity] = [400, 50, 300, 20];
  const x = tensor(
    Float32Array.from({ length: features }, (_, i) => (i % 7) - 2.5),
    [1, features],
  );
  const square = x.data.reduce((s, v) => s + v * v, 0);
  const fourth = x.data.reduce((s, v) => s + v ** 4, 0);
  const ratios = Array.from({ length: draws }, (_, seed) => {
    const { y } = sparseProjection.denseSync({ x, k, sparsity, seed });
    return y.data.reduce((s, v) => s + v * v, 0) / square;
  });
  const expected = (2 + ((sparsity - 3) * fourth) / square ** 2) / k;
  const mean = ratios.reduce((a, b) => a + b, 0) / draws;
  const variance = ratios.reduce((s, r) => s + (r - 1) ** 2, 0) / draws;
  assert.ok(Math.abs(mean - 1) < 4 * Math.sqrt(expected / draws), `mean ${mean}`);
  assert.ok(Math.abs(variance / expected - 1) < 0.35, `variance ${variance}, expected ${expected}`);
});

kernels('errors', async () => {
  const { lists } = sparseRows(3, 10, 0.5);
  const call = (more: object): Promise<TenonError> =>
    sparseProjection.csr({ ...lists, features: 10, k: 4, ...more }).then(
      () => assert.unreachable('nothing was refused') as never,
      (error: unknown) => error as TenonError,
    );
  assert.is((await call({ offsets: new Int32Array(0) })).argument, 'offsets');
  assert.is((await call({ offsets: Int32Array.of(0, 99) })).code, 'TENON_BAD_INDEX');
  assert.is((await call({ offsets: Int32Array.of(2, 1) })).code, 'TENON_BAD_INDEX');
  assert.is((await call({ offsets: Int32Array.of(-1, 1) })).code, 'TENON_BAD_INDEX');
  assert.is((await call({ indices: lists.indices.map(() => -1) })).code, 'TENON_BAD_INDEX');
  const beyond = await call({ indices: lists.indices.map(() => 10) });
  assert.equal([beyond.code, beyond.argument], ['TENON_BAD_INDEX', 'indices']);
  assert.match(beyond.message, /^indices: .*found an index is negative, or not below features$/);
  assert.is((await call({ features: 0 })).argument, 'indices');
  assert.is((await call({ indices: lists.indices.subarray(1) })).argument, 'indices');
  assert.is((await call({ sparsity: 0.5 })).argument, 'sparsity');
  assert.is((await call({ k: 65537 })).argument, 'k');
});

kernels.run();

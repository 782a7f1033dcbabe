import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { f32 } from '../../src/base/tensor-type.ts';
import { graphBuilder } from '../../src/ir/graph-builder.ts';
import type { Args } from '../../src/ir/layer.ts';
import type { NdArray } from '../../src/ir/op.ts';
import { openStore } from '../../src/native/native.ts';
import { normalCdf } from '../../src/ops/lib/special.ts';
import { initialGraph, storeLeavesOf } from '../../src/train/graphs.ts';
import { Runnable } from '../../src/train/session.ts';
import { filled, layer } from './support.ts';
import { forward, ones } from './run.ts';
import type { Build } from './run.ts';

const one =
  (name: string, args: Args = {}): Build =>
  (b, inputs) =>
    layer(name).build(b, inputs, filled(layer(name), args));

const moments = (data: Float32Array): { readonly mean: number; readonly variance: number } => {
  const mean = data.reduce((n, v) => n + v, 0) / data.length;
  return { mean, variance: data.reduce((n, v) => n + (v - mean) ** 2, 0) / data.length };
};

/** The starting tensors of a layer, drawn by the addon. */
async function starts(name: string, args: Args, type = f32(1, 8, 8, 16)): Promise<ReadonlyMap<string, Float32Array>> {
  const b = graphBuilder({ mode: 'train', seed: 0 });
  const leaves = storeLeavesOf(b.finish([{ name: 'y', value: one(name, args)(b, [b.input('x', type)]) }]));
  const store = openStore();
  for (const leaf of leaves) store.write(leaf.name, 'f32', leaf.type.shape, null);
  const start = new Runnable(initialGraph(leaves, 3));
  await start.run(store, {}, { steps: 1, threads: 2 });
  const found = new Map(leaves.map((l) => [l.name, new Float32Array(store.read(l.name).data)]));
  start.close();
  void store.close();
  return found;
}

const starting = suite('starting weights');

// he N(0, 2/fan_in), lecun N(0, 1/fan_in), xavier N(0, 2/(fan_in + fan_out)); fans count the cells of a kernel.
const VARIANCES: readonly (readonly [string, Args, ReturnType<typeof f32>, string, number])[] = [
  ['dense', { out: 400 }, f32(1, 200), 'weight', 2 / 200],
  ['dense', { out: 400, init: 'lecun' }, f32(1, 200), 'weight', 1 / 200],
  ['dense', { out: 400, init: 'xavier' }, f32(1, 200), 'weight', 2 / 600],
  ['conv', { out: 64, k: 5 }, f32(1, 8, 8, 32), 'weight', 2 / (25 * 32)],
  ['conv', { out: 64, k: 5, groups: 4 }, f32(1, 8, 8, 32), 'weight', 2 / (25 * 8)],
  ['conv', { out: 64, k: [3, 5], init: 'xavier' }, f32(1, 8, 8, 32), 'weight', 2 / (15 * 96)],
  ['dwconv', { k: 7, multiplier: 4 }, f32(1, 8, 8, 128), 'weight', 2 / 49],
  ['embedding', { vocab: 300, dim: 50 }, { dtype: 'i32', shape: [1, 4] }, 'weight', 0.02 ** 2],
  ['positions', {}, f32(1, 128, 64), 'weight', 0.02 ** 2],
  ['attention', { heads: 4 }, f32(1, 6, 128), 'query.weight', 2 / 256],
  ['attention', { heads: 4, init: 'he' }, f32(1, 6, 128), 'out.weight', 2 / 128],
  ['attention', { heads: 4, score: 'wma' }, f32(1, 6, 256), 'score.weight', 2 / 128],
  ['moe', { experts: 4, hidden: 100 }, f32(1, 50), 'w1', 2 / 50],
  ['moe', { experts: 4, hidden: 100 }, f32(1, 50), 'w2', 2 / 150],
  ['moe', { experts: 64 }, f32(1, 50), 'router.weight', 0.02 ** 2],
];

starting('have mean 0 and the variance of their law', async () => {
  for (const [name, args, type, weight, variance] of VARIANCES) {
    const data = (await starts(name, args, type)).get(weight)!;
    const found = moments(data);
    // Five deviations of the estimates.
    const what = `${name}(${JSON.stringify(args)}): ${found.mean}, ${found.variance} for ${variance}`;
    assert.ok(Math.abs(found.variance / variance - 1) < 5 * Math.sqrt(2 / data.length), what);
    assert.ok(Math.abs(found.mean) < 5 * Math.sqrt(variance / data.length), what);
  }
});

starting('biases and shifts are 0, scales 1, running statistics 0 and 1', async () => {
  const all = new Map([
    ...(await starts('conv', { out: 3 })),
    ...[...(await starts('batchnorm', {}))].map(([k, v]) => [`norm.${k}`, v] as const),
  ]);
  const expected = { bias: 0, 'norm.scale': 1, 'norm.shift': 0, 'norm.mean': 0, 'norm.variance': 1 };
  for (const [name, value] of Object.entries(expected))
    assert.ok(
      all.get(name)!.every((v) => v === value),
      name,
    );
});

const norms = suite('batchnorm');
const x: NdArray = { shape: [4, 2], data: Float64Array.of(1, 10, 2, 10, 3, 10, 6, 14) };
const state = new Map([
  ['x0', x],
  ['scale', { shape: [2], data: Float64Array.of(2, 1) }],
  ['shift', { shape: [2], data: Float64Array.of(0, 0.5) }],
  ['mean', { shape: [2], data: Float64Array.of(1, 1) }],
  ['variance', { shape: [2], data: Float64Array.of(1, 4) }],
]);
const near = (found: Float32Array, expected: readonly number[], what: string): void => {
  assert.is(found.length, expected.length, what);
  found.forEach((v, i) => assert.ok(Math.abs(v - expected[i]!) < 1e-4, `${what}[${i}]: ${v}, expected ${expected[i]}`));
};

norms('training uses the statistics of the batch and moves the running ones by 1 - momentum', async () => {
  const after = await forward([f32(4, 2)], one('batchnorm', { momentum: 0.75 }), 'train', state);
  // Means 3 and 11; variances 3.5 and 3, of the batch as it is.
  const y = [1, 2, 3, 6].flatMap((v, i) => [
    (2 * (v - 3)) / Math.sqrt(3.5 + 1e-5),
    ([10, 10, 10, 14][i]! - 11) / Math.sqrt(3 + 1e-5) + 0.5,
  ]);
  near(after.get('y')!, y, 'y');
  near(after.get('mean')!, [0.75 + 0.25 * 3, 0.75 + 0.25 * 11], 'mean');
});

norms('inference uses the running statistics and leaves them', async () => {
  const after = await forward([f32(4, 2)], one('batchnorm'), 'infer', state);
  const y = [1, 2, 3, 6].flatMap((v, i) => [
    (2 * (v - 1)) / Math.sqrt(1 + 1e-5),
    ([10, 10, 10, 14][i]! - 1) / Math.sqrt(4 + 1e-5) + 0.5,
  ]);
  near(after.get('y')!, y, 'y');
  near(after.get('mean')!, [1, 1], 'mean');
  near(after.get('variance')!, [1, 4], 'variance');
});

const drops = suite('dropout');
const N = 40_000;

drops('drops a share of p and scales the rest, differently at each step; nothing in inference', async () => {
  const all = new Map([['x0', ones(N)]]);
  const run = async (p: number, step: number): Promise<Float32Array> => {
    const values = new Map([...all, ['step', { shape: [1], data: Float64Array.of(step) }] as const]);
    return (await forward([f32(N)], one('dropout', { p }), 'train', values)).get('y')!;
  };
  for (const p of [0.1, 0.5, 0.9]) {
    const y = await run(p, 0);
    const dropped = y.filter((v) => v === 0).length;
    assert.ok(Math.abs(dropped / N - p) < 5 * Math.sqrt((p * (1 - p)) / N), `${dropped} of ${N} at ${p}`);
    assert.ok(y.every((v) => v === 0 || Math.abs(v - 1 / (1 - p)) < 1e-5 / (1 - p)));
    const next = await run(p, 1);
    const both = y.filter((v, i) => v === 0 && next[i] === 0).length;
    assert.ok(Math.abs(both / N - p * p) < 5 * Math.sqrt((p * p * (1 - p * p)) / N), 'steps are independent');
    assert.equal(await run(p, 0), y);
  }
  assert.equal(
    (await forward([f32(N)], one('dropout', { p: 0.5 }), 'infer', all)).get('y'),
    new Float32Array(N).fill(1),
  );
});

const slopes = suite('gelu');

slopes('is exact to some roundings from end to end, and NaN only where it has no value', async () => {
  const edges = [0, -0, 5.6999, 5.7001, -5.6999, -5.7001, 1e-30, -1e-30, 90, -90, 3e38, -3e38, Infinity, NaN];
  const grid = Array.from({ length: 4001 }, (_, i) => (i - 2000) / 333);
  const x = Float64Array.from([...grid, ...edges], Math.fround);
  const given = new Map([['x0', { shape: [x.length], data: x }]]);
  const y = (await forward([f32(x.length)], one('gelu'), 'infer', given)).get('y')!;
  y.forEach((found, i) => {
    const v = x[i]!;
    const expected = v * normalCdf(v);
    if (!Number.isFinite(expected)) return assert.ok(Object.is(found, expected), `gelu(${v})`);
    // Below -5.7 the value is under 1e-7 and becomes 0; before it small ones keep their precision.
    const bound = v < -5.7 ? 4e-8 : 4e-6 * Math.abs(expected) + 1e-37;
    assert.ok(Math.abs(found - expected) <= bound, `gelu(${v}) is ${found}, expected ${expected}`);
  });
});

const windows = suite('windows');
const whole = (min: number, max: number): fc.Arbitrary<number> => fc.integer({ min, max });

windows('same padding is that of ONNX SAME_UPPER; averages leave padding out', async () => {
  const cases = fc.sample(
    fc.record({ size: whole(1, 9), k: whole(1, 5), stride: whole(1, 4), dilation: whole(1, 3) }),
    { numRuns: 60, seed: 7 },
  );
  for (const { size, k, stride, dilation } of cases) {
    const what = JSON.stringify({ size, k, stride, dilation });
    const out = Math.ceil(size / stride);
    const data = Float64Array.from({ length: size }, (_, i) => Math.sin(3 * i + 1));
    const at = (reach: number, i: number): number =>
      i * stride - Math.floor(Math.max(0, (out - 1) * stride + reach - size) / 2);
    const taps = (i: number, step: number): readonly number[] =>
      Array.from({ length: k }, (_, t) => at(step * (k - 1) + 1, i) + t * step).filter((p) => p >= 0 && p < size);
    const values = new Map([['x0', { shape: [1, size, 1], data }]]);
    const run = async (name: string, args: Args, more: Iterable<readonly [string, NdArray]> = []) => [
      ...(await forward([f32(1, size, 1)], one(name, args), 'infer', new Map([...values, ...more]))).get('y')!,
    ];
    const expected = (step: number, of: (xs: readonly number[]) => number): readonly number[] =>
      Array.from({ length: out }, (_, i) => of(taps(i, step).map((p) => data[p]!)));
    const total = (xs: readonly number[]): number => xs.reduce((n, v) => n + v, 0);
    const weight: readonly [string, NdArray] = ['weight', ones(1, 1, 1, k, 1)];
    const close = (found: readonly number[], wanted: readonly number[], name: string): void =>
      near(Float32Array.from(found), wanted, `${name} ${what}`);
    close(await run('conv', { out: 1, k, stride, dilation, bias: false }, [weight]), expected(dilation, total), 'conv');
    close(await run('dwconv', { k, stride, dilation, bias: false }, [weight]), expected(dilation, total), 'dwconv');
    close(
      await run('avgpool', { k, stride }),
      expected(1, (xs) => total(xs) / xs.length),
      'avgpool',
    );
    close(
      await run('maxpool', { k, stride }),
      expected(1, (xs) => Math.max(...xs)),
      'maxpool',
    );
  }
});

for (const s of [starting, norms, drops, slopes, windows]) s.run();

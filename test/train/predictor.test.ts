// Predictions read weights in the form that products like best, and what follows from weights alone is made once: nobody sees a difference.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Random } from '../../src/base/philox.ts';
import { modelOf } from '../../src/compile.ts';
import type { Dataset } from '../../src/data/dataset.ts';
import { readSafetensors } from '../../src/data/safetensors.ts';
import type { StoredTensor } from '../../src/data/safetensors.ts';
import { compile } from '../../src/index.ts';
import { openStore } from '../../src/native/native.ts';
import type { Store } from '../../src/native/native.ts';
import { predictionGraph, storeLeavesOf } from '../../src/train/graphs.ts';
import { Predictor } from '../../src/train/predictor.ts';
import { Runnable } from '../../src/train/session.ts';
import { startStore } from '../../src/train/starts.ts';

const WIDTH = 9;
const SPACE = compile(`
space Net {
  input x: f32[B, ${WIDTH}]
  output y = x -> (dense(33) -> relu) via subspace(20) -> dense(40) -> layernorm -> gelu -> dense(24) via kron(2) -> relu
    -> dense(20) via lowrank(3) -> batchnorm -> dense(2)
}
train { optimizer adamw(lr: 5e-3)  batch 32 }
`);
const ARCH = SPACE.sample();
const MODEL = modelOf(SPACE.space, ARCH.assignment);

const random = new Random('predictor');
const draw = (n: number): Float32Array => Float32Array.from({ length: n }, () => random.normal());
const X = draw(300 * WIDTH);
const rows = (n: number): Float32Array => X.subarray(0, n * WIDTH);

function data(): Dataset {
  const examples = 384;
  const x = draw(examples * WIDTH);
  const label = Int32Array.from({ length: examples }, (_, i) => (x[i * WIDTH]! > x[i * WIDTH + 1]! ? 1 : 0));
  const column = { scale: 1, shift: 0 };
  const features = [{ ...column, name: 'x', data: x, shape: [WIDTH] }];
  const train = { examples, features, label: { ...column, name: 'y', data: label, shape: [] } };
  return { name: 'larger', classes: 2, train, test: null };
}

type Weights = ReadonlyMap<string, StoredTensor> | null;

/** The graph as a whole, planned and run as it stands. */
async function whole(weights: Weights, seed: number, n: number): Promise<Float32Array> {
  const [graph, store] = [predictionGraph(MODEL, n), openStore()];
  await startStore(store, storeLeavesOf(graph), weights, { seed, threads: 1 });
  const runnable = new Runnable(graph);
  const { arrays } = await runnable.run(store, { x: rows(n) }, { steps: 1, threads: 1 });
  runnable.close();
  await store.close();
  return arrays['output0'] as Float32Array;
}

const predicting = suite('predictor');

predicting('the bits are those of the whole graph, for any batch and number of threads', async () => {
  for (const threads of [1, 3]) {
    const predictor = await Predictor.create(MODEL, null, { seed: 5, threads });
    const sizes = [1, 7, 2, 64, 3, 4, 5, 6, 1, 250];
    const found = await Promise.all(sizes.map((n) => predictor.predict([rows(n)])));
    for (const [i, n] of sizes.entries()) assert.equal(found[i], await whole(null, 5, n), `${n} rows`);
    predictor.close();
  }
});

predicting('weights that changed are seen at once: after each epoch, and when they are loaded', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'tenon-predict-'));
  const net = await ARCH.build({ seed: 5 });
  const [file, seen] = [join(folder, 'weights.safetensors'), new Set<string>()];
  const check = async (on: typeof net): Promise<void> => {
    const { tensors } = readSafetensors(file);
    for (const n of [1, 40]) assert.equal(await on.predict(rows(n)), await whole(tensors, 5, n));
    seen.add((await on.predict(rows(1))).join());
  };
  assert.equal(await net.predict(rows(3)), await whole(null, 5, 3));
  for await (const _ of net.fit(data(), { epochs: 3 })) {
    net.save(file);
    await check(net);
  }
  assert.is(seen.size, 3);
  const other = await ARCH.build({ seed: 5 });
  await other.predict(rows(2));
  other.load(file);
  await check(other);
  other.close();
  net.close();
  rmSync(folder, { recursive: true });
});

predicting('a weight is in memory once, in the form that is read', async () => {
  const predictor = await Predictor.create(MODEL, null, { seed: 5, threads: 1 });
  await predictor.predict([rows(3)]);
  const { store } = predictor as unknown as { readonly store: Store };
  const held = store.list().filter(({ dims }) => dims.reduce((n, d) => n * d, 1) > 0);
  const names = held.map((t) => t.name);
  assert.not.ok(names.some((name) => name.endsWith('dense.weight')));
  assert.ok(names.some((name) => name.includes('#')));
  const panels = held
    .filter(({ dims }) => dims.length === 3 && dims[2] === 32)
    .map(({ dims }) => dims.slice(0, 2).join());
  assert.ok(panels.includes(`2,${WIDTH}`) && panels.includes('2,33'), panels.join(' '));
  predictor.close();
});

predicting.run();

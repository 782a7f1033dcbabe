import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { f32, i32 } from '../../src/base/tensor-type.ts';
import { Random } from '../../src/base/philox.ts';
import type { Dataset, Table } from '../../src/data/dataset.ts';
import { DataError } from '../../src/data/error.ts';
import type { Args, ArgValue } from '../../src/ir/layer.ts';
import { LAYERS } from '../../src/layers/index.ts';
import { TrainError } from '../../src/train/config.ts';
import type { Model, TrainConfig } from '../../src/train/config.ts';
import { Trainer } from '../../src/train/trainer.ts';

const folder = mkdtempSync(join(tmpdir(), 'tenon-train-'));

/** A chain of layers as a model. */
function chain(input: readonly number[], ...uses: readonly (readonly [string, Args?])[]): Model {
  return {
    inputs: [{ name: 'x', type: f32(...input) }],
    build: (b, inputs) =>
      uses.reduce<readonly [(typeof inputs)[number]]>(
        ([x], [name, args = {}], i) => {
          const layer = LAYERS.get(name)!;
          const all = Object.fromEntries(
            layer.args.map((a) => [a.name, args[a.name] ?? (a.default as ArgValue) ?? null]),
          );
          return [b.scope(`${name}[${i}]`, () => layer.build(b, [x], all))];
        },
        [inputs[0]!],
      ),
  };
}

// Two interleaved half circles: no line separates them.
function moons(examples: number, seed: number): Table {
  const r = new Random('moons', seed);
  const data = new Float32Array(examples * 2);
  const label = new Int32Array(examples);
  for (let i = 0; i < examples; i++) {
    const side = i % 2;
    const angle = Math.PI * r.uniform();
    data[2 * i] = (side ? 1 - Math.cos(angle) : Math.cos(angle)) + 0.1 * r.normal();
    data[2 * i + 1] = (side ? 0.5 - Math.sin(angle) : Math.sin(angle)) + 0.1 * r.normal();
    label[i] = side;
  }
  const column = { scale: 1, shift: 0 };
  return {
    examples,
    features: [{ ...column, name: 'x', data, shape: [2] }],
    label: { ...column, name: 'y', data: label, shape: [] },
  };
}

const DATA: Dataset = { name: 'moons', classes: 2, train: moons(1206, 1), test: moons(500, 2) };
const NET = chain(
  [2],
  ['dense', { out: 32 }],
  ['relu'],
  ['batchnorm'],
  ['dropout', { p: 0.1 }],
  ['dense', { out: 32 }],
  ['gelu'],
  ['dense', { out: 2 }],
);
const config = (more: Partial<TrainConfig> = {}): TrainConfig => ({
  loss: { name: 'crossentropy', args: {} },
  optimizer: { name: 'adamw', args: { lr: 0.01 } },
  schedule: { name: 'cosine', args: {} },
  batch: 32,
  epochs: 8,
  seed: 3,
  ...more,
});

async function weightsAfter(threads: number, more: Partial<TrainConfig> = {}): Promise<string> {
  const t = await Trainer.create(NET, DATA, config({ epochs: 2, ...more }), { threads });
  for await (const _ of t.epochs());
  const bytes = [...t.tensors(true).values()].map((v) => Buffer.from(v.bytes).toString('base64')).join();
  t.close();
  return bytes;
}

const training = suite('training');

training('learns what no line separates; test figures agree', async () => {
  const t = await Trainer.create(NET, DATA, config(), { threads: 2 });
  const seen: number[] = [];
  for await (const report of t.epochs()) {
    assert.is(report.step, report.epoch * t.epochSteps);
    seen.push(report.figures['accuracy']!);
  }
  assert.is(seen.length, 8);
  assert.ok(seen.at(-1)! > 0.97, `validation accuracy ${seen.at(-1)}`);
  assert.ok((await t.evaluate('test'))['accuracy']! > 0.97);
  t.close();
});

training('every optimizer and schedule learns', async () => {
  for (const optimizer of [
    { name: 'sgd', args: { lr: 0.1 } },
    { name: 'sgd', args: { lr: 0.1, nesterov: true } },
    { name: 'adam', args: { lr: 0.01 } },
  ]) {
    for (const schedule of ['constant', 'step']) {
      const t = await Trainer.create(NET, DATA, config({ optimizer, schedule: { name: schedule, args: {} } }), {
        threads: 1,
      });
      let last = 0;
      for await (const r of t.epochs()) last = r.figures['accuracy']!;
      assert.ok(last > 0.95, `${optimizer.name} ${schedule}: ${last}`);
      t.close();
    }
  }
});

training('regression falls below the variance of the labels', async () => {
  const r = new Random('line');
  const x = Float32Array.from({ length: 600 }, () => r.normal());
  const y = x.map((v) => Math.sin(2 * v));
  const column = { shape: [], scale: 1, shift: 0 };
  const data: Dataset = {
    name: 'sine',
    classes: null,
    train: {
      examples: 600,
      features: [{ ...column, name: 'x', data: x, shape: [1] }],
      label: { ...column, name: 'y', data: y },
    },
    test: null,
  };
  const net = chain([1], ['dense', { out: 64 }], ['tanh'], ['dense', { out: 1 }]);
  const t = await Trainer.create(net, data, config({ loss: { name: 'mse', args: {} }, epochs: 40 }), { threads: 1 });
  let loss = Infinity;
  for await (const e of t.epochs()) loss = e.figures['loss']!;
  assert.ok(loss < 0.05, `loss ${loss}`);
  t.close();
});

training('the same bits for any number of threads, others for another seed', async () => {
  const once = await weightsAfter(1);
  for (const threads of [2, 3]) assert.is(await weightsAfter(threads), once);
  assert.is.not(await weightsAfter(1, { seed: 4 }), once);
});

training('a checkpoint holds all: what is loaded predicts alike', async () => {
  const path = join(folder, 'w.safetensors');
  const a = await Trainer.create(NET, DATA, config({ epochs: 2 }), { threads: 1 });
  for await (const _ of a.epochs());
  a.save(path);
  const figures = await a.evaluate('test');
  a.close();
  const b = await Trainer.create(NET, DATA, config({ epochs: 2, seed: 99 }), { threads: 1 });
  b.load(path);
  assert.equal(await b.evaluate('test'), figures);
  b.close();
  const other = await Trainer.create(chain([2], ['dense', { out: 2 }]), DATA, config(), { threads: 1 });
  assert.throws(
    () => other.load(path),
    (e: Error) => e instanceof DataError && /dense\[0\].weight is f32\[32, 2\], expected f32\[2, 2\]/.test(e.message),
  );
  other.close();
});

training('a run that is cut short and loaded goes on to the same bits', async () => {
  const path = join(folder, 'half.safetensors');
  const whole = await Trainer.create(NET, DATA, config({ epochs: 4 }), { threads: 1 });
  for await (const r of whole.epochs()) if (r.epoch === 2) whole.save(path);
  const end = whole.tensors(true);
  whole.close();
  const rest = await Trainer.create(NET, DATA, config({ epochs: 4 }), { threads: 2 });
  rest.load(path);
  const epochs: number[] = [];
  for await (const r of rest.epochs()) epochs.push(r.epoch);
  assert.equal(epochs, [3, 4]);
  assert.equal(rest.tensors(true), end);
  rest.close();
});

training('a loss that is not finite ends the run with its step', async () => {
  const t = await Trainer.create(NET, DATA, config({ optimizer: { name: 'sgd', args: { lr: 1e20 } } }), { threads: 1 });
  try {
    for await (const _ of t.epochs());
    assert.unreachable('it went on');
  } catch (e) {
    assert.instance(e, TrainError);
    assert.is((e as TrainError).cause_, 'nan');
    assert.match((e as Error).message, /at step \d+/);
  }
  t.close();
});

training('an abort ends the run soon', async () => {
  const stop = new AbortController();
  const t = await Trainer.create(NET, DATA, config({ epochs: 10_000 }), { threads: 1, signal: stop.signal });
  setTimeout(() => stop.abort(), 50);
  try {
    for await (const _ of t.epochs());
    assert.unreachable('it went on');
  } catch (e) {
    assert.is((e as Error).name, 'AbortError');
  }
  t.close();
});

training('an aborted run goes on where it stopped, to the same bits', async () => {
  const slow = config({ epochs: 2, batch: 4 });
  const whole = await Trainer.create(NET, DATA, slow, { threads: 1 });
  for await (const _ of whole.epochs());
  const path = join(folder, 'aborted.safetensors');
  const stop = new AbortController();
  const cut = await Trainer.create(NET, DATA, slow, {
    threads: 1,
    signal: stop.signal,
    onProgress: (done, total) => void (done > total / 3 && stop.abort(new Error('enough'))),
  });
  try {
    for await (const _ of cut.epochs());
    assert.unreachable('it went on');
  } catch (e) {
    assert.is((e as Error).message, 'enough');
  }
  cut.save(path);
  cut.close();
  const rest = await Trainer.create(NET, DATA, slow, { threads: 1 });
  rest.load(path);
  const epochs: number[] = [];
  for await (const r of rest.epochs()) epochs.push(r.step);
  assert.equal(epochs, [rest.epochSteps, 2 * rest.epochSteps]);
  assert.equal(rest.tensors(true), whole.tensors(true));
  whole.close();
  rest.close();
});

training('no epochs: the starting weights stay', async () => {
  const t = await Trainer.create(NET, DATA, config({ epochs: 0 }), { threads: 1 });
  const before = t.tensors(true);
  for await (const _ of t.epochs()) assert.unreachable('there is no epoch');
  assert.equal(t.tensors(true), before);
  t.close();
});

training('figures are means over all examples, whatever is left over of the batches', async () => {
  const net = chain([2], ['dense', { out: 2 }]);
  const rows = (n: number): Table => ({
    examples: n,
    features: [{ ...DATA.test!.features[0]!, data: DATA.test!.features[0]!.data.slice(0, 2 * n) }],
    label: { ...DATA.test!.label, data: DATA.test!.label.data.slice(0, n) },
  });
  const figures = async (n: number): Promise<number> => {
    const t = await Trainer.create(net, { ...DATA, test: rows(n) }, config(), { threads: 1 });
    const { loss } = await t.evaluate('test');
    t.close();
    return loss!;
  };
  const [one, most, all] = [await figures(1), await figures(499), await figures(500)];
  assert.ok(Number.isFinite(one));
  const last = all * 500 - most * 499;
  const alone = await Trainer.create(
    net,
    {
      ...DATA,
      test: {
        ...rows(1),
        features: [{ ...DATA.test!.features[0]!, data: DATA.test!.features[0]!.data.slice(998) }],
        label: { ...DATA.test!.label, data: DATA.test!.label.data.slice(499) },
      },
    },
    config(),
    { threads: 1 },
  );
  const { loss } = await alone.evaluate('test');
  assert.ok(Math.abs(loss! - last) < 1e-3, `${loss} and ${last}`);
  alone.close();
});

training('the least data: five examples to train on and one to validate', async () => {
  const t = await Trainer.create(NET, { ...DATA, train: moons(6, 4), test: null }, config({ batch: 5, epochs: 2 }), {
    threads: 1,
  });
  const steps: number[] = [];
  for await (const r of t.epochs()) {
    steps.push(r.step);
    assert.ok(r.figures['accuracy'] === 0 || r.figures['accuracy'] === 1);
  }
  assert.equal(steps, [1, 2]);
  try {
    await t.evaluate('test');
    assert.unreachable('there is no test set');
  } catch (e) {
    assert.match((e as Error).message, /the data set moons has no test set/);
  }
  t.close();
});

training('a closed run says so, also when it is closed while it runs', async () => {
  const t = await Trainer.create(NET, DATA, config({ epochs: 10_000 }), { threads: 1 });
  setTimeout(() => t.close(), 20);
  const closed = (e: unknown): void => assert.match((e as Error).message, /the training run is closed/);
  try {
    for await (const _ of t.epochs());
    assert.unreachable('it went on');
  } catch (e) {
    closed(e);
  }
  await t.evaluate('validation').then(() => assert.unreachable('it went on'), closed);
  assert.throws(() => t.tensors(), /the training run is closed/);
  t.close();
});

training('weights that an epoch spoils in its last step end the run', async () => {
  // One step an epoch: the loss before the update is finite.
  const c = config({
    batch: 1005,
    optimizer: { name: 'sgd', args: { lr: 1e38 } },
    schedule: { name: 'constant', args: {} },
  });
  const t = await Trainer.create(NET, DATA, c, { threads: 1 });
  try {
    for await (const _ of t.epochs()) assert.unreachable('it went on');
  } catch (e) {
    assert.is((e as TrainError).cause_, 'nan');
    assert.match((e as Error).message, /validation split is (NaN|Infinity) after epoch 1/);
  }
  t.close();
});

training('what does not fit into memory is refused with that cause', async () => {
  const big = chain([2], ['dense', { out: 200_000 }], ['relu'], ['dense', { out: 200_000 }], ['dense', { out: 2 }]);
  try {
    await Trainer.create(big, DATA, config(), { threads: 1 });
    assert.unreachable('it was made');
  } catch (e) {
    assert.instance(e, TrainError);
    assert.is((e as TrainError).cause_, 'memory');
    assert.match((e as Error).message, /does not fit into memory: .*GiB/);
  }
});

training('indices of an embedding come from whole features', async () => {
  const r = new Random('tokens');
  const tokens = Int32Array.from({ length: 600 * 4 }, () => r.below(11));
  const label = Int32Array.from({ length: 600 }, (_, i) => (tokens[4 * i]! > 5 ? 1 : 0));
  const column = { scale: 1, shift: 0 };
  const train: Table = {
    examples: 600,
    features: [{ ...column, name: 'x', data: tokens, shape: [4] }],
    label: { ...column, name: 'y', data: label, shape: [] },
  };
  const table = chain([4], ['embedding', { vocab: 11, dim: 8 }], ['flatten'], ['dense', { out: 2 }]);
  const net = { ...table, inputs: [{ name: 'x', type: i32(4) }] };
  const t = await Trainer.create(net, { name: 'tokens', classes: 2, train, test: null }, config(), { threads: 2 });
  let accuracy = 0;
  for await (const e of t.epochs()) accuracy = e.figures['accuracy']!;
  assert.ok(accuracy > 0.9, `accuracy ${accuracy}`);
  t.close();
  const few = chain([4], ['embedding', { vocab: 10, dim: 8 }], ['flatten'], ['dense', { out: 2 }]);
  const bad = await Trainer.create(
    { ...few, inputs: net.inputs },
    { name: 'tokens', classes: 2, train, test: null },
    config(),
    {
      threads: 1,
    },
  );
  try {
    for await (const _ of bad.epochs());
    assert.unreachable('index 10 is out of range');
  } catch (e) {
    assert.match((e as Error).message, /index/i);
  }
  bad.close();
});

training('what does not fit is said before anything runs', async () => {
  const fails = async (message: RegExp, net: Model, data: Dataset, c: TrainConfig): Promise<void> => {
    try {
      (await Trainer.create(net, data, c, { threads: 1 })).close();
      assert.unreachable(`expected ${message}`);
    } catch (e) {
      assert.match((e as Error).message, message);
    }
  };
  await fails(/batch of 5000 is more than the 1005/, NET, DATA, config({ batch: 5000 }));
  await fails(/output does not fit the labels/, chain([2], ['dense', { out: 1 }]), DATA, config());
  await fails(/input x is f32\[B, 3\]/, chain([3], ['dense', { out: 2 }]), DATA, config());
  await fails(/no optimizer adma/, NET, DATA, config({ optimizer: { name: 'adma', args: {} } }));
  await fails(/batch: expected a whole number from 1, found 0/, NET, DATA, config({ batch: 0 }));
  await fails(/epochs: expected a whole number from 0, found 1.5/, NET, DATA, config({ epochs: 1.5 }));
  await fails(/there must be at least 6/, NET, { ...DATA, train: moons(5, 1) }, config({ batch: 1 }));
  const short = { ...DATA.train, examples: 1207 };
  await fails(/moons: column x has 1206 rows, but there are 1207 examples/, NET, { ...DATA, train: short }, config());
  await fails(/label of example 1 \(from 0\) is 1, expected a class/, NET, { ...DATA, classes: 1 }, config());
  await fails(/mse needs labels that are numbers/, NET, DATA, config({ loss: { name: 'mse', args: {} } }));
});

training.after(() => rmSync(folder, { recursive: true }));
training.run();

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { f32 } from '../../src/base/tensor-type.ts';
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
    (e: Error) => e instanceof DataError && /there is no tensor dense\[0\]|expected \[/.test(e.message),
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
  await fails(/mse needs labels that are numbers/, NET, DATA, config({ loss: { name: 'mse', args: {} } }));
});

training.after(() => rmSync(folder, { recursive: true }));
training.run();

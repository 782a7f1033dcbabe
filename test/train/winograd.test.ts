// A small convolutional network trained with and without Winograd's transforms: other roundings, the same learning.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { f32 } from '../../src/base/tensor-type.ts';
import { Random } from '../../src/base/philox.ts';
import type { Switch } from '../../src/base/switch.ts';
import type { Dataset, Table } from '../../src/data/dataset.ts';
import type { Args, ArgValue } from '../../src/ir/layer.ts';
import { LAYERS } from '../../src/layers/index.ts';
import type { Model } from '../../src/train/config.ts';
import { Trainer } from '../../src/train/trainer.ts';

const SIDE = 12;
const USES: readonly (readonly [string, Args])[] = [
  ['conv', { out: 16 }],
  ['relu', {}],
  ['conv', { out: 32 }],
  ['relu', {}],
  ['conv', { out: 32 }],
  ['relu', {}],
  ['globalmean', {}],
  ['dense', { out: 2 }],
];
const MODEL: Model = {
  inputs: [{ name: 'x', type: f32(SIDE, SIDE, 1) }],
  build: (b, inputs) => {
    let x = inputs[0]!;
    USES.forEach(([name, given], i) => {
      const layer = LAYERS.get(name)!;
      const args = Object.fromEntries(
        layer.args.map((a) => [a.name, given[a.name] ?? (a.default as ArgValue) ?? null]),
      );
      x = b.scope(`${name}[${i}]`, () => layer.build(b, [x], args));
    });
    return [x];
  },
};

// Stripes along one axis or the other, under noise.
function stripes(examples: number): Table {
  const r = new Random('stripes');
  const data = new Float32Array(examples * SIDE * SIDE);
  const label = new Int32Array(examples);
  for (let i = 0; i < examples; i++) {
    const along = (label[i] = i % 2);
    for (let y = 0; y < SIDE; y++)
      for (let x = 0; x < SIDE; x++) data[(i * SIDE + y) * SIDE + x] = 0.4 * Math.sin(along ? x : y) + r.normal();
  }
  const column = { scale: 1, shift: 0 };
  return {
    examples,
    features: [{ ...column, name: 'x', data, shape: [SIDE, SIDE, 1] }],
    label: { ...column, name: 'y', data: label, shape: [] },
  };
}

const DATA: Dataset = { name: 'stripes', classes: 2, train: stripes(768), test: null };

async function lossAfter(seed: number, winograd: Switch | undefined): Promise<number> {
  const config = {
    loss: { name: 'crossentropy', args: {} },
    optimizer: { name: 'adamw', args: { lr: 0.005 } },
    schedule: { name: 'constant', args: {} },
    batch: 32,
    epochs: 6,
    seed,
    winograd,
  };
  const t = await Trainer.create(MODEL, DATA, config, { threads: 2 });
  let loss = NaN;
  for await (const r of t.epochs()) loss = r.figures['loss']!;
  t.close();
  return loss;
}

const training = suite('training without Winograd');

// Runs part after some steps, as they do under any other rounding: what must agree is where they end on average.
training('ends where training with it does, within the noise of seeds', async () => {
  const [on, off] = [new Array<number>(), new Array<number>()];
  for (const seed of [1, 2, 3, 4, 5, 6]) {
    on.push(await lossAfter(seed, undefined));
    off.push(await lossAfter(seed, 'off'));
  }
  on.forEach((loss, i) => assert.is.not(loss, off[i], 'transforms were used'));
  assert.ok(Math.max(...on, ...off) < 0.6, `learns: ${on.join(' ')}; ${off.join(' ')}`);
  const mean = (x: readonly number[]): number => x.reduce((a, b) => a + b) / x.length;
  const variance = (x: readonly number[]): number => mean(x.map((v) => (v - mean(x)) ** 2)) / (x.length - 1);
  const error = Math.sqrt(variance(on) + variance(off));
  const apart = Math.abs(mean(on) - mean(off));
  assert.ok(apart < 3 * error, `${mean(on)} with, ${mean(off)} without; the error of the difference is ${error}`);
});

training('on is what holds where nothing is said', async () => {
  assert.is(await lossAfter(4, undefined), await lossAfter(4, 'on'));
  await lossAfter(4, 'of' as Switch).then(
    () => assert.unreachable(),
    (e: Error) => assert.match(e.message, /^winograd: expected on or off, found of$/),
  );
});

training.run();

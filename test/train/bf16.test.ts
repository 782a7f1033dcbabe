// A small network trained with products of bf16: said in the program or to `fit`, the same bits for any number of threads, the same learning.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Precision } from '../../src/base/precision.ts';
import { Random } from '../../src/base/philox.ts';
import type { Dataset } from '../../src/data/dataset.ts';
import { compile } from '../../src/index.ts';
import type { FitEvent, FitOptions } from '../../src/index.ts';

const WIDTH = 9;

// Two classes, apart by the sign of a product of two sums: nothing linear tells them.
function data(): Dataset {
  const [examples, random] = [768, new Random('bf16')];
  const x = Float32Array.from({ length: examples * WIDTH }, () => random.normal());
  const label = Int32Array.from({ length: examples }, (_, i) => {
    const row = x.subarray(i * WIDTH, (i + 1) * WIDTH);
    const sum = (from: number): number => row.subarray(from, from + 2).reduce((a, b) => a + b, 0);
    return sum(0) * sum(2) > 0 ? 1 : 0;
  });
  const column = { scale: 1, shift: 0 };
  const features = [{ ...column, name: 'x', data: x, shape: [WIDTH] }];
  const train = { examples, features, label: { ...column, name: 'y', data: label, shape: [] } };
  return { name: 'signs', classes: 2, train, test: null };
}

const DATA = data();
const text = (more = ''): string => `
space Net { input x: f32[B, ${WIDTH}]  output y = x -> dense(48) -> relu -> dense(32) -> tanh -> dense(2) }
train { optimizer adamw(lr: 5e-3)  batch 32  epochs 12 ${more} }
`;

async function fitted(program: string, options: FitOptions, seed: number, threads = 2): Promise<FitEvent> {
  const net = await compile(program).sample({ seed: 1 }).build({ seed, threads });
  let last: FitEvent | null = null;
  try {
    for await (const event of net.fit(DATA, options)) last = event;
  } finally {
    net.close();
  }
  return last!;
}

const figures = ({ loss, train_loss }: FitEvent): readonly number[] => [loss, train_loss];

const training = suite('training in bf16');

training('said in the program or to fit; threads change no bit', async () => {
  const said = figures(await fitted(text('precision bf16'), {}, 1));
  assert.equal(figures(await fitted(text(), { precision: 'bf16' }, 1)), said);
  assert.equal(figures(await fitted(text('precision bf16'), {}, 1, 1)), said);
  assert.not.equal(figures(await fitted(text(), {}, 1)), said);
  assert.equal(
    figures(await fitted(text('precision bf16'), { precision: 'f32' }, 1)),
    figures(await fitted(text(), {}, 1)),
  );
});

training('ends where f32 does, within the noise of seeds', async () => {
  const seeds = [1, 2, 3, 4, 5, 6];
  const ends = async (precision: Precision): Promise<readonly number[]> =>
    Promise.all(seeds.map(async (seed) => (await fitted(text(), { precision }, seed)).loss));
  const [f32, bf16] = [await ends('f32'), await ends('bf16')];
  assert.ok(Math.max(...f32, ...bf16) < 0.6, `learns: ${f32.join(' ')}; ${bf16.join(' ')}`);
  const mean = (x: readonly number[]): number => x.reduce((a, b) => a + b) / x.length;
  const apart = f32.map((v, i) => v - bf16[i]!);
  const spread = Math.sqrt(mean(f32.map((v) => (v - mean(f32)) ** 2)));
  assert.ok(Math.abs(mean(apart)) < spread, `${mean(f32)} and ${mean(bf16)}; seeds of f32 are ${spread} apart`);
});

training('another precision is refused with those that there are', async () => {
  await fitted(text(), { precision: 'f16' as Precision }, 1).then(
    () => assert.unreachable(),
    (e: Error) => assert.match(e.message, /^precision: expected f32 or bf16, found f16$/),
  );
});

training.run();

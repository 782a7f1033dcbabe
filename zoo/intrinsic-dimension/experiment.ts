// Test accuracy of 784-200-200-10 on MNIST by the dimension of a random subspace, a line of JSON a run. The protocol is in protocol.ts, results in README.md.
// node --import tsx zoo/intrinsic-dimension/experiment.ts [--d 300,750,1500] [--kinds fastfood,sparse,direct] [--epochs 100] [--seed 1] [--threads 1]
import { parseArgs } from 'node:util';
import { accuracies, D } from './protocol.ts';

const { values } = parseArgs({
  options: {
    d: { type: 'string', default: '300,750,1500' },
    kinds: { type: 'string', default: 'fastfood,sparse' },
    epochs: { type: 'string', default: '100' },
    seed: { type: 'string', default: '1' },
    threads: { type: 'string', default: '1' },
  },
});
const [epochs, seed, threads] = [Number(values.epochs), Number(values.seed), Number(values.threads)];
for (const kind of values.kinds.split(','))
  for (const d of kind === 'direct' ? [D] : values.d.split(',').map(Number)) {
    const began = performance.now();
    const curve = [...accuracies({ kind, d, seed }, epochs, threads)];
    const seconds = Math.round((performance.now() - began) / 100) / 10;
    console.log(JSON.stringify({ kind, d, epochs, accuracy: curve.at(-1), best: Math.max(...curve), seconds, curve }));
  }

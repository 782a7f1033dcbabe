// Milliseconds from the start of a process to its end: node alone, and node with a first result of `tenon/kernels`. Medians, run by turns.
// node --import tsx test/bench/start.bench.ts [--rounds 20]
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';

const bundle = fileURLToPath(new URL('../../dist/kernels.js', import.meta.url));
if (!existsSync(bundle)) throw new Error('dist/kernels.js is missing: run `npm run build`');
const from = JSON.stringify(pathToFileURL(bundle).href);

const CASES = {
  'node alone': '0',
  'node, tenon/kernels loaded': `import ${from}`,
  'node, first result of hadamard': `import { hadamardSync, tensor } from ${from}; hadamardSync({ x: tensor([1, 2]) })`,
  'node, first result of a layer and its gradient': `
    import { kronecker, tensor } from ${from};
    const { y, ctx } = kronecker.linearSync({ x: tensor([[1, 2]]), A: kronecker.algebra('complex'), F: tensor([[[1]], [[2]]]) });
    kronecker.backwardSync(ctx, { dy: y });`,
};

const { values } = parseArgs({ options: { rounds: { type: 'string', default: '20' } } });
const times = new Map(Object.keys(CASES).map((name) => [name, [] as number[]]));
for (let round = 0; round < Number(values.rounds); round++)
  for (const [name, code] of Object.entries(CASES)) {
    const began = performance.now();
    const { status, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', code]);
    if (status !== 0) throw new Error(`${name}: ${String(stderr)}`);
    times.get(name)!.push(performance.now() - began);
  }
const median = (list: readonly number[]): number => [...list].sort((a, b) => a - b)[list.length >> 1]!;
const alone = median(times.get('node alone')!);
for (const [name, list] of times) {
  const ms = median(list);
  console.log(`${name.padEnd(48)} ${ms.toFixed(1).padStart(7)} ms ${(ms - alone).toFixed(1).padStart(7)} more`);
}

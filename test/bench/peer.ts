// Our side of a comparison: one JSON line a case, in the form that other peers print.
//   node --import tsx test/bench/peer.ts [--threads N] [--filter GLOB|'KIND SIZES'] [--seconds S]     cases: the file that PEERS_CASES names, else our own
import { existsSync, readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { casesOf, chosenLines, ownLines, parseLines } from '../../src/bench/kinds.ts';
import { gflops, measure } from '../../src/bench/measure.ts';

const { values } = parseArgs({
  options: {
    threads: { type: 'string', default: '1' },
    filter: { type: 'string', default: '*' },
    seconds: { type: 'string', default: '0.3' },
  },
});
const threads = Number(values.threads);
const file = process.env['PEERS_CASES'];
const lines = file && existsSync(file) ? parseLines(readFileSync(file, 'utf8')) : ownLines();

for (const line of chosenLines(values.filter, lines)) {
  for (const c of casesOf(line, threads)) {
    const found = await measure(c, Number(values.seconds));
    const head = { peer: 'ours', case: c.name, threads };
    if ('error' in found) {
      console.log(JSON.stringify({ ...head, error: found.error }));
      continue;
    }
    const { median, min, reps } = found;
    const products = c.flop > 0 && c.items === 0 ? { gflops: gflops(c, median), gflops_best: gflops(c, min) } : {};
    const steps = c.items > 0 ? { items_per_s: Math.round((c.items / median) * 1000) } : {};
    console.log(JSON.stringify({ ...head, ms_median: median, ms_min: min, reps, ...products, ...steps }));
  }
}

// Products, convolutions and training steps on this machine: `npm run bench`. Compare on a quiet machine only.
import { cpus } from 'node:os';
import { info } from '../../src/native/native.ts';
import { casesOf, ownLines } from '../../src/bench/kinds.ts';
import { gflops, measure } from '../../src/bench/measure.ts';

const { isa, threads: cores } = info();
console.log(`${cpus()[0]!.model.trim()}, ${cores} cores, ${isa}, node ${process.versions.node}`);
const rows: Record<string, string | number>[] = [];
for (const line of ownLines()) {
  for (const threads of [...new Set([1, cores])]) {
    for (const c of casesOf(line, threads)) {
      const found = await measure(c, 0.3);
      if ('error' in found) rows.push({ case: c.name, threads, error: found.error });
      else {
        const { median, min, reps } = found;
        const rate = c.flop > 0 ? { 'GFLOP/s': Math.round(gflops(c, median)) } : {};
        rows.push({
          case: c.name,
          threads,
          'median ms': Number(median.toPrecision(3)),
          'min ms': Number(min.toPrecision(3)),
          reps,
          ...rate,
        });
      }
    }
  }
}
console.table(rows);

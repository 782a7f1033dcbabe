// Our side of a comparison: one JSON line a case, in the form that other peers print.
//   node --import tsx test/bench/peer.ts [--threads N] [--filter GLOB] [--seconds S]     cases: the file that PEERS_CASES names, else our own
import { parseArgs } from 'node:util';
import { Bench } from 'tinybench';
import { caseLines, casesOf } from './cases.ts';

const { values } = parseArgs({
  options: {
    threads: { type: 'string', default: '1' },
    filter: { type: 'string', default: '*' },
    seconds: { type: 'string', default: '0.3' },
  },
});
const threads = Number(values.threads);
const glob = new RegExp(`^${values.filter.replace(/[.+^${}()|[\]\\]/g, '\\$&').replaceAll('*', '.*')}`);

for (const line of caseLines()) {
  if (!glob.test(line.name)) continue;
  for (const c of casesOf(line, threads)) {
    const bench = new Bench({
      time: Number(values.seconds) * 1000,
      iterations: 5,
      warmupTime: 80,
      warmupIterations: 2,
    });
    bench.add(c.name, c.run);
    await bench.run();
    const result = bench.tasks[0]!.result;
    if (!('latency' in result)) {
      console.log(
        JSON.stringify({
          peer: 'ours',
          case: c.name,
          threads,
          error: String('error' in result ? result.error : result.state),
        }),
      );
      continue;
    }
    const [median, min] = [result.latency.p50 / c.steps, result.latency.min / c.steps];
    console.log(
      JSON.stringify({
        peer: 'ours',
        case: c.name,
        threads,
        ms_median: median,
        ms_min: min,
        reps: result.latency.samplesCount,
        ...(c.flop > 0 ? { gflops: c.flop / median / 1e6, gflops_best: c.flop / min / 1e6 } : {}),
        ...(c.items > 0 ? { items_per_s: (c.items / median) * 1000 } : {}),
      }),
    );
  }
}

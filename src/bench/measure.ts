import { Bench } from 'tinybench';
import type { Case } from './case.ts';

/** Milliseconds a step, and useful GFLOP/s where the case counts FLOPs. */
export interface Figures {
  readonly median: number;
  readonly min: number;
  readonly reps: number;
}

/** Two calls and 80 ms of warm-up, then at least five calls and `seconds`. */
export async function measure(c: Case, seconds: number): Promise<Figures | { readonly error: string }> {
  const bench = new Bench({ time: seconds * 1000, iterations: 5, warmupTime: 80, warmupIterations: 2 });
  bench.add(c.name, c.run);
  await bench.run();
  const result = bench.tasks[0]!.result;
  if (!('latency' in result)) return { error: String('error' in result ? result.error : result.state) };
  const { p50, min, samplesCount } = result.latency;
  return { median: p50 / c.steps, min: min / c.steps, reps: samplesCount };
}

/** The same for a call that is waited for: milliseconds, the median. */
export async function medianOf(run: () => Promise<unknown>, seconds: number): Promise<number> {
  const bench = new Bench({ time: seconds * 1000, iterations: 5, warmupTime: 80, warmupIterations: 2 });
  bench.add('run', async () => void (await run()), { async: true });
  await bench.run();
  const result = bench.tasks[0]!.result;
  if ('latency' in result) return result.latency.p50;
  throw new Error(String('error' in result ? result.error : result.state));
}

/** Null where a case counts no FLOPs. */
export const gflops = (c: Case, ms: number): number | null => (c.flop > 0 ? c.flop / ms / 1e6 : null);

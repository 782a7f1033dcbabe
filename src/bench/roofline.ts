import { f32 } from '../base/tensor-type.ts';
import { repeatAffine } from '../ops/repeat.ts';
import { sum } from '../ops/reduce.ts';
import type { Case } from './case.ts';
import { forward, runner } from './runner.ts';
import { measure } from './measure.ts';

/** What the machine can do at best on so many threads. */
export interface Roofline {
  readonly threads: number;
  /** Multiply-adds of registers alone, GFLOP/s. */
  readonly gflops: number;
  /** Reading memory far beyond the caches, GB/s. */
  readonly gbs: number;
}

const ROUNDS = 65536;
const NUMBERS = 64 * 192;
const MEMORY = 1 << 28;

/** Measures it: about `seconds` for each of the two. */
export async function roofline(threads: number, seconds = 0.3): Promise<Roofline> {
  const still = { rounds: ROUNDS, scale: 0.5, shift: 0.5 };
  const arithmetic = runner(
    forward([f32(NUMBERS)], (b, [x]) => b.one(repeatAffine, [x!], still)),
    threads,
  );
  const numbers = MEMORY / 4;
  const given = { in0: new Float32Array(numbers).fill(1) };
  const reading = runner(
    forward([f32(numbers)], (b, [x]) => b.one(sum, [x!], { axes: 1 })),
    threads,
    1,
    given,
  );
  return {
    threads,
    gflops: (2 * ROUNDS * NUMBERS) / (await best(arithmetic, seconds)) / 1e6,
    gbs: MEMORY / (await best(reading, seconds)) / 1e6,
  };
}

async function best(run: () => void, seconds: number): Promise<number> {
  const found = await measure({ name: 'roofline', run, steps: 1, flop: 0, items: 0 } satisfies Case, seconds);
  if ('error' in found) throw new Error(found.error);
  return found.min;
}

import { f32 } from '../base/tensor-type.ts';
import type { Graph } from '../ir/graph.ts';
import type { Attrs, OpDef } from '../ir/op.ts';
import { repeatAffine, repeatDot } from '../ops/repeat.ts';
import { sum } from '../ops/reduce.ts';
import type { Case } from './case.ts';
import { forward, runner } from './runner.ts';
import { measure } from './measure.ts';

/** What the machine can do at best on so many threads. */
export interface Roofline {
  readonly threads: number;
  /** Multiply-adds of registers alone, GFLOP/s. */
  readonly gflops: number;
  /** The same of products of bf16. */
  readonly bf16Gflops: number;
  /** Reading memory far beyond the caches, GB/s. */
  readonly gbs: number;
}

const ROUNDS = 65536;
const NUMBERS = 64 * 192;
const MEMORY = 1 << 28;

/** Measures it: about `seconds` for each of the three. */
export async function roofline(threads: number, seconds = 0.3): Promise<Roofline> {
  const measured = (graph: Graph, given = {}): Promise<number> => best(runner(graph, threads, 1, given), seconds);
  const repeated = (op: OpDef, attrs: Attrs): Graph =>
    forward([f32(NUMBERS)], (b, [x]) => b.one(op, [x!], { rounds: ROUNDS, ...attrs }));
  const numbers = MEMORY / 4;
  const reading = forward([f32(numbers)], (b, [x]) => b.one(sum, [x!], { axes: 1 }));
  const rate = (work: number, ms: number): number => work / ms / 1e6;
  return {
    threads,
    gflops: rate(2 * ROUNDS * NUMBERS, await measured(repeated(repeatAffine, { scale: 0.5, shift: 0.5 }))),
    bf16Gflops: rate(4 * ROUNDS * NUMBERS, await measured(repeated(repeatDot, { a: 0.5, b: 0.5 }))),
    gbs: rate(MEMORY, await measured(reading, { in0: new Float32Array(numbers).fill(1) })),
  };
}

async function best(run: () => void, seconds: number): Promise<number> {
  const found = await measure({ name: 'roofline', run, steps: 1, flop: 0, items: 0 } satisfies Case, seconds);
  if ('error' in found) throw new Error(found.error);
  return found.min;
}

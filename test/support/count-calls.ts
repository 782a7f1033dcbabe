// A process of its own, in which calls.c counts: what a run of one step of training calls, and one of many: a JSON line each.
import { openSync, readSync } from 'node:fs';
import { trainingStep } from '../../src/bench/cases/train.ts';
import { runner } from '../../src/bench/runner.ts';

const file = openSync(process.env['TENON_CALLS']!, 'r');
function calls(): readonly [memory: number, locks: number] {
  const counts = new BigUint64Array(2);
  readSync(file, counts, 0, 16, 0);
  return [Number(counts[0]), Number(counts[1])];
}

/** Calls of a run: the fewest of some, for V8 collects and compiles meanwhile. The first ones start threads and fill the pool of arenas. */
function callsOf(run: () => void): readonly number[] {
  const found = Array.from({ length: 6 }, () => {
    const before = calls();
    run();
    return calls().map((n, i) => n - before[i]!);
  });
  return [0, 1].map((i) => Math.min(...found.slice(2).map((c) => c[i]!)));
}

const FEW = 1;
const MANY = 41;
for (const [model, batch] of [
  ['lenet', 4],
  ['moetfm', 1],
] as const)
  for (const threads of [1, 2]) {
    const [few, many] = [FEW, MANY].map((steps) => {
      const { graph, given } = trainingStep(model, batch, steps)!;
      return callsOf(runner(graph, threads, steps, given));
    });
    console.log(JSON.stringify({ model, threads, more: MANY - FEW, few, many }));
  }

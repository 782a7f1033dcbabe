import { historyOf } from '../study/search-run.ts';
import { hasWeights, weightsOf } from '../study/files.ts';
import { WorkerPool } from '../study/pool.ts';
import type { PoolOptions } from '../study/pool.ts';
import { RefusedError } from '../study/protocol.ts';
import type { Study } from '../study/study.ts';
import type { Metrics, Trial } from '../study/trial.ts';
import { figuresText, short } from './format.ts';
import { EXIT, Exit, printable } from './io.ts';
import type { Io } from './io.ts';

/** The figures of a trial on the test set: those on record, or made now from its weights. Null where the weights are gone. */
async function tested(study: Study, trial: Trial, threads: number, pool: PoolOptions): Promise<Metrics | null> {
  const known = study.test(trial.trial);
  if (known || !hasWeights(study.path, trial.trial)) return known;
  const { source, file, space, dataHash } = study.head;
  const { decisions, seed } = trial;
  const weights = weightsOf(study.path, trial.trial);
  const workers = new WorkerPool(pool);
  try {
    const outcome = await workers.run({
      kind: 'test',
      source,
      file,
      space,
      decisions,
      seed,
      threads,
      dataHash,
      weights,
    });
    if (outcome.kind === 'refused') throw new RefusedError(outcome.code, outcome.message);
    if (outcome.kind !== 'done')
      throw new Exit(EXIT.machine, `error: the test of trial ${trial.trial} failed: ${outcome.message}`);
    study.recordTest({ trial: trial.trial, metrics: outcome.metrics });
    return outcome.metrics;
  } finally {
    await workers.close();
  }
}

interface EndOptions {
  readonly threads: number;
  readonly hasTest: boolean;
  readonly pool: PoolOptions;
}

/** Says what the search came to: the best as a program, with its figure on the test set. */
export async function sayEnd(io: Io, study: Study, options: EndOptions): Promise<number> {
  const trials = study.trials().filter((t) => t.aside === null);
  const top = historyOf(study).best();
  const best = top && study.trial(top.trial);
  const test = best && options.hasTest ? await tested(study, best, options.threads, options.pool) : null;
  const number = (state: Trial['state']): number => trials.filter((t) => t.state === state).length;
  if (io.json) {
    const counts = { complete: number('complete'), failed: number('failed'), pruned: number('pruned') };
    io.data({ event: 'done', best: best?.trial ?? null, trials: counts, test });
  }
  if (!best) {
    const failed = trials.findLast((t) => t.message);
    const why = failed ? `; trial ${failed.trial} failed: ${failed.cause}: ${failed.message}` : '';
    throw new Exit(EXIT.input, `error: no trial is complete${why}`);
  }
  if (!io.json) printBest(io, study, best, test);
  return EXIT.done;
}

function printBest(io: Io, study: Study, best: Trial, test: Metrics | null): void {
  const { bold, dim } = io.colors;
  io.out('');
  io.out(
    bold(
      `best: trial ${best.trial}  ${figuresText(best.metrics ?? {})}  params ${short(best.measures['params'] ?? 0)}`,
    ),
  );
  if (test) io.out(bold(`test: ${figuresText(test)}`));
  io.out('');
  io.out(best.program.trimEnd());
  io.out('');
  const path = printable(study.path);
  if (hasWeights(study.path, best.trial)) io.out(dim(`weights: ${printable(weightsOf(study.path, best.trial))}`));
  io.out(dim(`more:    tenon trials ${path}, tenon best ${path}`));
}

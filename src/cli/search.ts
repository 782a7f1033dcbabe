import { fileURLToPath } from 'node:url';
import { existsSync } from 'node:fs';
import { datasetOf, describeMember } from '../compile.ts';
import type { Compiled } from '../compile.ts';
import { SEARCHERS } from '../search/index.ts';
import type { SearcherArgs } from '../search/searcher.ts';
import type { SettingExpr } from '../space/space.ts';
import { WorkerPool } from '../study/pool.ts';
import { historyOf, runSearch, weightsOf } from '../study/search-run.ts';
import type { SearchEvent } from '../study/search-run.ts';
import { Study } from '../study/study.ts';
import type { Trial } from '../study/study.ts';
import { VERSION } from '../version.ts';
import { BYTES, quantityOption, SECONDS, textOption, wholeOption } from './command.ts';
import type { CommandDef, Options } from './command.ts';
import { duration, figure, short } from './format.ts';
import { drainAndRelease } from './interrupt.ts';
import { EXIT, Exit } from './io.ts';
import type { Io } from './io.ts';
import { loadProgram, SPACE_OPTION, threadsOf } from './load.ts';
import { bar, eta, LiveLines } from './progress.ts';

const entry = (): string =>
  fileURLToPath(new URL(`../worker.${import.meta.url.endsWith('.ts') ? 'ts' : 'js'}`, import.meta.url));

const argsOf = (s: SettingExpr): SearcherArgs =>
  Object.fromEntries(s.args.flatMap((a) => (a.value.kind === 'const' ? [[a.name, a.value.value]] : [])));

interface Settings {
  readonly trials: number;
  readonly time: number | null;
  readonly workers: number;
  readonly seed: number;
  readonly memory: number;
  readonly timeout: number;
}

const DEFAULT_TRIALS = 20;

function settingsOf(compiled: Compiled, options: Options): Settings {
  const { search } = compiled.program;
  return {
    trials: wholeOption(options, 'trials', 1) ?? search.trials ?? DEFAULT_TRIALS,
    time: quantityOption(options, 'time', SECONDS) ?? search.time,
    workers: wholeOption(options, 'workers', 1) ?? search.workers,
    seed: wholeOption(options, 'seed') ?? search.seed,
    memory: quantityOption(options, 'memory', BYTES) ?? 8 * BYTES.GB,
    timeout: quantityOption(options, 'timeout', SECONDS) ?? 3600,
  };
}

/** What the live lines show. */
class Board {
  private readonly started = Date.now();
  private readonly running = new Map<number, { epoch: number; epochs: number; share: number }>();
  private readonly trials: number;
  private readonly before: number;
  ended: number;
  failed = 0;
  best: { readonly trial: number; readonly text: string } | null = null;

  constructor(trials: number, ended: number) {
    this.trials = trials;
    this.ended = this.before = ended;
  }

  take(e: SearchEvent): void {
    if (e.kind === 'start') this.running.set(e.trial, { epoch: 0, epochs: 0, share: 0 });
    if (e.kind === 'retry') this.running.delete(e.trial);
    if (e.kind === 'report') {
      const r = e.report;
      if (r.kind === 'progress')
        this.running.set(e.trial, {
          epoch: r.epoch,
          epochs: r.epochs,
          share: (r.epoch - 1 + r.done / r.total) / r.epochs,
        });
      if (r.kind === 'epoch')
        this.running.set(e.trial, { epoch: r.epoch, epochs: r.epochs, share: r.epoch / r.epochs });
    }
    if (e.kind === 'end') {
      this.running.delete(e.trial.trial);
      this.ended++;
      if (e.trial.state === 'failed') this.failed++;
    }
  }

  lines(): string[] {
    const partly = [...this.running.values()].reduce((n, r) => n + r.share, 0);
    const share = (this.ended + partly) / this.trials;
    const fresh = (this.ended - this.before + partly) / Math.max(1, this.trials - this.before);
    const failed = this.failed > 0 ? `, ${this.failed} failed` : '';
    const now = [...this.running]
      .map(([t, r]) => `trial ${t} epoch ${Math.max(1, r.epoch)}/${r.epochs || '?'}`)
      .join(', ');
    const best = this.best ? `best ${this.best.text} (trial ${this.best.trial})` : 'no result yet';
    return [`${bar(share, 30)} ${this.ended}/${this.trials}${failed}  ${best}  ${eta(this.started, fresh)}`, now];
  }
}

const metricsText = (t: Trial): string =>
  Object.entries(t.metrics ?? {})
    .map(([name, v]) => `${name} ${figure(v)}`)
    .join('  ');

function endLine(t: Trial, isBest: boolean): string {
  const head = `trial ${String(t.trial).padStart(3)}`;
  const size = `params ${short(t.measures['params'] ?? 0)}`;
  const time = duration(t.seconds ?? 0);
  if (t.state === 'failed') return `${head}  failed: ${t.cause}  ${t.message ?? ''}  ${size}  ${time}`;
  return `${head}  ${metricsText(t)}  ${size}  ${time}${isBest ? '  best' : ''}`;
}

function sayEvent(io: Io, live: LiveLines, e: SearchEvent): void {
  if (io.json) {
    if (e.kind === 'report' && e.report.kind === 'epoch') {
      const { epoch, step, metrics, seconds } = e.report;
      io.data({ event: 'epoch', trial: e.trial, attempt: e.attempt, epoch, step, ...metrics, seconds });
    } else if (e.kind === 'end') {
      const t = e.trial;
      io.data({
        event: 'trial',
        trial: t.trial,
        state: t.state,
        cause: t.cause,
        message: t.message,
        metrics: t.metrics,
        params: t.measures['params'],
      });
    } else if (e.kind === 'retry')
      io.data({ event: 'retry', trial: e.trial, attempt: e.attempt, cause: e.cause, message: e.message });
    return;
  }
  if (e.kind === 'end') live.say(endLine(e.trial, e.best === e.trial.trial));
  if (e.kind === 'retry')
    live.say(
      `trial ${String(e.trial).padStart(3)}  attempt ${e.attempt} ended: ${e.cause} (${e.message}); it is tried again`,
    );
  if (e.kind === 'spent') live.say(`the space is spent: all of its ${e.trials} members were tried`);
}

/** The figure on the test set of the best, made once and kept on record. */
async function testBest(
  study: Study,
  trial: Trial,
  threads: number,
  s: Settings,
): Promise<Readonly<Record<string, number>> | null> {
  const known = study.test();
  if (known?.trial === trial.trial) return known.metrics;
  const weights = weightsOf(study, trial.trial);
  if (!existsSync(weights)) return null;
  const pool = new WorkerPool({ entry: entry(), workers: 1, memory: s.memory, timeout: s.timeout });
  try {
    const { source, file, space, dataHash } = study.head;
    const outcome = await pool.run({
      kind: 'test',
      source,
      file,
      space,
      decisions: trial.decisions,
      seed: trial.seed,
      threads,
      dataHash,
      weights,
    });
    if (outcome.kind !== 'done')
      throw new Exit(EXIT.machine, `error: the test of trial ${trial.trial} failed: ${outcome.message}`);
    study.recordTest({ trial: trial.trial, metrics: outcome.metrics });
    return outcome.metrics;
  } finally {
    await pool.close();
  }
}

export const search: CommandDef = {
  name: 'search',
  summary: 'searches a space; running it again resumes',
  usage: '<file>',
  options: [
    SPACE_OPTION,
    { flags: '--study <file>', doc: 'the record of the search; FILE.study beside the program unless given' },
    { flags: '--trials <n>', doc: 'how many trials in all' },
    { flags: '--time <t>', doc: 'no new trials after so long: 90s, 30min, 2h' },
    { flags: '--workers <n>', doc: 'processes that train side by side' },
    { flags: '--with <searcher>', doc: `one of ${[...SEARCHERS.keys()].join(', ')}` },
    { flags: '--memory <m>', doc: 'limit of a worker: 512MB, 8GB (unless given)' },
    { flags: '--timeout <t>', doc: 'limit of a trial: 3600s unless given' },
    { flags: '--keep <what>', doc: 'best (unless given) or all: whose weights are kept' },
  ],
  run: async (io, [file], options) => {
    const compiled = loadProgram(io, file!, options);
    const s = settingsOf(compiled, options);
    const { program, space } = compiled;
    const name = textOption(options, 'with') ?? program.search.searcher.name;
    const searcher = SEARCHERS.get(name);
    if (!searcher)
      throw new Exit(EXIT.usage, `error: there is no searcher ${name}; there are ${[...SEARCHERS.keys()].join(', ')}`);
    const { objectives } = program.search;
    const { data, hash } = datasetOf(space, file!);
    const path = textOption(options, 'study') ?? `${file}.study`;
    const head = {
      file: file!,
      source: compiled.text,
      space: space.name,
      seed: s.seed,
      settings: { searcher: name },
      dataHash: hash,
    };
    const study = await Study.open(path, head, VERSION);
    try {
      const threads = threadsOf(options);
      const old = study.trials();
      const ended = old.filter((t) => t.state !== 'waiting' && t.state !== 'running').length;
      const board = new Board(s.trials, ended);
      const { drain, release } = drainAndRelease();
      announce(io, path, s, old.length, ended);
      const live = new LiveLines(io, () => board.lines());
      live.start();
      try {
        const show = (best: number | null): void => {
          const t = best === null ? null : study.trials()[best]!;
          if (t)
            board.best = {
              trial: t.trial,
              text: objectives.map((o) => `${o.name} ${figure(t.metrics?.[o.name] ?? t.measures[o.name])}`).join(', '),
            };
        };
        show(historyOf(study, objectives).best()?.trial ?? null);
        for await (const event of runSearch({
          study,
          space,
          objectives,
          searcher,
          args: name === program.search.searcher.name ? argsOf(program.search.searcher) : {},
          trials: s.trials,
          time: s.time,
          workers: s.workers,
          threadsPerWorker: Math.max(1, Math.floor(threads / s.workers)),
          memory: s.memory,
          timeout: s.timeout,
          entry: entry(),
          keepAll: textOption(options, 'keep') === 'all',
          describe: (a) => {
            const { program: text, measures } = describeMember(space, a);
            return { program: text, measures: { ...measures } };
          },
          drain,
          release,
        })) {
          board.take(event);
          if (event.kind === 'end') show(event.best);
          sayEvent(io, live, event);
        }
      } finally {
        live.stop();
      }
      if (drain.aborted)
        throw new Exit(EXIT.interrupted, `interrupted: run the same command again to go on with ${path}`);
      return await finish(io, study, objectives, threads, s, data.test !== null);
    } finally {
      study.close();
    }
  },
};

function announce(io: Io, path: string, s: Settings, trials: number, ended: number): void {
  if (io.json) return;
  const again =
    trials === 0
      ? `new study`
      : `resuming: ${ended} of ${s.trials} trials done${trials > ended ? `, ${trials - ended} were running or waiting` : ''}`;
  io.out(io.colors.dim(`study ${path}: ${again}; ${s.workers} worker${s.workers > 1 ? 's' : ''}`));
}

async function finish(
  io: Io,
  study: Study,
  objectives: Compiled['program']['search']['objectives'],
  threads: number,
  s: Settings,
  hasTest: boolean,
): Promise<number> {
  const trials = study.trials();
  const number = (state: Trial['state']): number => trials.filter((t) => t.state === state).length;
  const top = historyOf(study, objectives).best();
  const test = top && hasTest ? await testBest(study, trials[top.trial]!, threads, s) : null;
  if (io.json) {
    io.data({
      event: 'done',
      best: top?.trial ?? null,
      trials: { complete: number('complete'), failed: number('failed'), pruned: number('pruned') },
      test,
    });
  } else if (top) {
    const t = trials[top.trial]!;
    io.out('');
    io.out(io.colors.bold(`best: trial ${t.trial}  ${metricsText(t)}  params ${short(t.measures['params'] ?? 0)}`));
    if (test)
      io.out(
        io.colors.bold(
          `test: ${Object.entries(test)
            .map(([n, v]) => `${n} ${figure(v)}`)
            .join('  ')}`,
        ),
      );
    io.out('');
    io.out(t.program.trimEnd());
    io.out('');
    io.out(
      io.colors.dim(
        `weights: ${weightsOf(study, t.trial)}   more: tenon trials ${study.path}, tenon best ${study.path}`,
      ),
    );
  }
  if (!top)
    throw new Exit(
      EXIT.input,
      `error: no trial is complete: ${trials.find((t) => t.message)?.message ?? 'nothing was tried'}`,
    );
  return EXIT.done;
}

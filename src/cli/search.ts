import { totalmem } from 'node:os';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describeMember } from '../compile.ts';
import type { Compiled } from '../compile.ts';
import { nearest } from '../base/nearest.ts';
import { DEFAULT_TRIALS } from '../lang/search-settings.ts';
import { judgeFor } from '../revisions.ts';
import { SEARCHERS } from '../search/index.ts';
import { searcherArgs } from '../search/search.ts';
import type { SearcherArgs, SearcherDef } from '../search/searcher.ts';
import type { SettingExpr } from '../space/settings.ts';
import type { PoolOptions } from '../study/pool.ts';
import { historyOf, runSearch } from '../study/search-run.ts';
import type { SearchRunOptions } from '../study/search-run.ts';
import { Study } from '../study/study.ts';
import { hasEnded } from '../study/trial.ts';
import { VERSION } from '../version.ts';
import { Board } from './board.ts';
import { BYTES, quantityOption, SECONDS, textOption, wholeOption, wordOption } from './command.ts';
import type { CommandDef, Options } from './command.ts';
import { drainAndRelease } from './interrupt.ts';
import { EXIT, Exit, printable } from './io.ts';
import type { Io } from './io.ts';
import { dataOf, loadProgram, SPACE_OPTION, threadsOf } from './load.ts';
import { LiveLines } from './progress.ts';
import { sayEnd } from './search-end.ts';
import { eventJson, eventText, sayEdit } from './search-events.ts';

/** Of the machine's memory, for all workers together, unless said. */
const MEMORY_SHARE = 0.8;
const DEFAULT_TIMEOUT = 3600;

const workerEntry = (): string => fileURLToPath(new URL(`../worker${extname(import.meta.url)}`, import.meta.url));

const argsOf = (s: SettingExpr): SearcherArgs =>
  Object.fromEntries(s.args.flatMap((a) => (a.value.kind === 'const' ? [[a.name, a.value.value]] : [])));

interface Settings {
  readonly searcher: SearcherDef;
  readonly args: SearcherArgs;
  readonly trials: number;
  readonly time: number | null;
  readonly seed: number;
  readonly threads: number;
  readonly keepAll: boolean;
  readonly pool: PoolOptions;
}

// What the command says holds before what the program says.
function settingsOf(compiled: Compiled, options: Options): Settings {
  const { search } = compiled.program;
  const workers = wholeOption(options, 'workers', 1, 1024) ?? search.workers;
  const name = textOption(options, 'with') ?? search.searcher.name;
  const time = quantityOption(options, 'time', SECONDS) ?? search.time;
  return {
    searcher: searcherNamed(name),
    args: name === search.searcher.name ? argsOf(search.searcher) : {},
    // A budget of time alone has no end in trials.
    trials: wholeOption(options, 'trials', 1) ?? search.trials ?? (time === null ? DEFAULT_TRIALS : Infinity),
    time,
    seed: wholeOption(options, 'seed') ?? search.seed,
    threads: threadsOf(options),
    keepAll: wordOption(options, 'keep', ['best', 'all']) === 'all',
    pool: {
      entry: workerEntry(),
      workers,
      memory: quantityOption(options, 'memory', BYTES) ?? (totalmem() * MEMORY_SHARE) / workers,
      timeout: quantityOption(options, 'timeout', SECONDS) ?? DEFAULT_TIMEOUT,
    },
  };
}

function searcherNamed(name: string): SearcherDef {
  const found = SEARCHERS.get(name);
  if (found) return found;
  const names = [...SEARCHERS.keys()];
  const near = nearest(name, names);
  const hint = near ? `. Did you mean ${near}?` : '';
  throw new Exit(EXIT.usage, `error: there is no searcher ${printable(name)}; there are ${names.join(', ')}${hint}`);
}

function announce(io: Io, study: Study, s: Settings, ended: number, waiting: number): void {
  if (study.edit) sayEdit(io, study.edit);
  if (io.json) return;
  const { workers } = s.pool;
  const with_ = `${s.searcher.name}, ${workers} worker${workers > 1 ? 's' : ''}`;
  const of = Number.isFinite(s.trials) ? ` of ${s.trials}` : '';
  const state =
    study.count() === 0
      ? 'new study'
      : `resuming: ${ended}${of} trials done${waiting > 0 ? `, ${waiting} to run again` : ''}`;
  io.out(io.colors.dim(`study ${printable(study.path)}: ${state}; ${with_}`));
}

async function runAndShow(io: Io, run: SearchRunOptions, board: Board, live: LiveLines): Promise<void> {
  const { study } = run;
  const show = (best: number | null): void => {
    if (best === null) return;
    const t = study.trial(best);
    board.bestIs(
      best,
      study.head.objectives.map((o) => [o.name, t.metrics?.[o.name] ?? t.measures[o.name]] as const),
    );
  };
  show(historyOf(study).best()?.trial ?? null);
  live.start();
  try {
    for await (const event of runSearch(run)) {
      board.take(event);
      if (event.kind === 'end') show(event.best);
      const said = io.json ? eventJson(event) : eventText(event);
      if (typeof said === 'string') live.say(said);
      else if (said !== null) io.data(said);
    }
  } finally {
    live.stop();
  }
}

async function searchIn(io: Io, study: Study, compiled: Compiled, s: Settings, hasTest: boolean): Promise<number> {
  const counted = study.trials().filter((t) => t.aside === null);
  const ended = counted.filter(hasEnded).length;
  const board = new Board(s.trials, s.time, ended);
  const live = new LiveLines(io, () => board.lines());
  announce(io, study, s, ended, counted.length - ended);
  const { drain, release } = drainAndRelease(() => {
    board.draining = true;
    if (!io.isTerminal) io.err('interrupted: what runs now is ended first; again to stop at once');
  });
  const { pool, threads } = s;
  const run: SearchRunOptions = {
    ...s,
    ...pool,
    study,
    space: compiled.space,
    threadsPerWorker: Math.max(1, Math.floor(threads / pool.workers)),
    describe: (a) => {
      const { program, measures } = describeMember(compiled.space, a);
      return { program, measures: { ...measures } };
    },
    drain,
    release,
  };
  await runAndShow(io, run, board, live);
  if (drain.aborted) throw new Exit(EXIT.interrupted, `interrupted: the same command goes on with ${study.path}`);
  return sayEnd(io, study, { threads, hasTest, pool: { ...pool, workers: 1 } });
}

export const search: CommandDef = {
  options: [
    SPACE_OPTION,
    { flags: '--study <file>', doc: 'the record of the search; FILE.study beside the program unless given' },
    {
      flags: '--trials <n>',
      doc: `how many trials in all, with those of earlier runs; ${DEFAULT_TRIALS} unless given or said in the program`,
    },
    { flags: '--time <t>', doc: 'no new trials after so long: 90s, 30min, 2h' },
    { flags: '--workers <n>', doc: 'processes that train side by side' },
    { flags: '--with <searcher>', doc: `one of ${[...SEARCHERS.keys()].join(', ')}` },
    { flags: '--memory <m>', doc: 'limit of a worker, as 512MB or 8GB; its part of 80 % of the memory unless given' },
    { flags: '--timeout <t>', doc: `limit of a trial: ${DEFAULT_TIMEOUT}s unless given` },
    { flags: '--keep <what>', doc: 'whose weights are kept: best (unless given) or all' },
  ],
  run: async (io, [file], options) => {
    const compiled = loadProgram(io, file!, options);
    const s = settingsOf(compiled, options);
    // Refuses a space that it cannot search before anything is made.
    s.searcher.create(compiled.space, searcherArgs(s.searcher, s.args));
    const { data, hash } = dataOf(compiled);
    const head = {
      file: file!,
      source: compiled.text,
      space: compiled.space.name,
      seed: s.seed,
      dataHash: hash,
      objectives: compiled.program.search.objectives,
      searcher: s.searcher.name,
    };
    const study = await Study.open(textOption(options, 'study') ?? `${file}.study`, head, VERSION, judgeFor(compiled));
    try {
      return await searchIn(io, study, compiled, s, data.test !== null);
    } finally {
      study.close();
    }
  },
};

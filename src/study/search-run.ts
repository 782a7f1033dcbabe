import { keyOf } from '../base/philox.ts';
import { History } from '../search/history.ts';
import type { Objective } from '../search/history.ts';
import { makeSearch } from '../search/search.ts';
import type { SearcherArgs, SearcherDef } from '../search/searcher.ts';
import type { Assignment } from '../space/assignment.ts';
import type { Space } from '../space/space.ts';
import { WeightFiles } from './files.ts';
import { WorkerPool } from './pool.ts';
import { RefusedError } from './protocol.ts';
import type { Job, Outcome, Report } from './protocol.ts';
import type { Study } from './study.ts';
import { hasEnded } from './trial.ts';
import type { Lease, Metrics, Trial } from './trial.ts';

export interface SearchRunOptions {
  readonly study: Study;
  readonly space: Space;
  readonly searcher: SearcherDef;
  readonly args: SearcherArgs;
  /** How many are to have ended, with those of earlier runs. */
  readonly trials: number;
  /** Seconds for this run, after which no trial starts; null: no limit. */
  readonly time: number | null;
  readonly workers: number;
  readonly threadsPerWorker: number;
  readonly memory: number;
  readonly timeout: number;
  readonly entry: string;
  /** Whether weights of every trial are kept, or those of the best only. */
  readonly keepAll: boolean;
  /** Gives the program and the measures of a proposal, to be put on record. */
  readonly describe: (a: Assignment) => { readonly program: string; readonly measures: Metrics };
  /** drain: running trials end, no new ones start. release: running trials are given back at once. */
  readonly drain?: AbortSignal;
  readonly release?: AbortSignal;
}

export type SearchEvent =
  | { readonly kind: 'start'; readonly trial: number; readonly attempt: number }
  | { readonly kind: 'report'; readonly trial: number; readonly attempt: number; readonly report: Report }
  | { readonly kind: 'end'; readonly trial: Trial; readonly best: number | null }
  | {
      readonly kind: 'retry';
      readonly trial: number;
      readonly attempt: number;
      readonly cause: string;
      readonly message: string;
    }
  /** Nothing is left to propose. */
  | { readonly kind: 'spent'; readonly trials: number }
  /** So many trials failed, and none ever came to an end, that it stops. */
  | { readonly kind: 'hopeless'; readonly failed: number; readonly trial: Trial };

/** Failures in a row, without a single result, after which a search stops. */
const HOPELESS = 10;

/** What objectives may name: the figures of training and the measures of the architecture. */
const figuresOf = (t: Pick<Trial, 'metrics' | 'measures'>): Metrics => ({ ...t.measures, ...t.metrics });

/** The history of a study: asks and tells in the order in which they happened; trials that are set aside are left out. */
export function historyOf(study: Study, objectives: readonly Objective[] = study.head.objectives): History {
  const history = new History(objectives);
  const trials = study.trials();
  for (const event of study.events()) {
    const t = trials[event.trial]!;
    if (t.aside !== null) continue;
    if (event.kind === 'ask') history.asked(t.trial, t.decisions);
    else if (hasEnded(t)) history.told(t.trial, t.state as 'complete' | 'pruned' | 'failed', t.metrics && figuresOf(t));
  }
  return history;
}

const seedOf = (study: Study, trial: number): number => keyOf('trial', study.head.seed, trial)[0];

/** Runs what is left of a search: first the trials that wait, then new proposals, until `trials` have ended. Events come as things happen. */
export async function* runSearch(options: SearchRunOptions): AsyncGenerator<SearchEvent> {
  const run = new SearchRun(options);
  try {
    yield* run.events();
  } finally {
    await run.close();
  }
}

class SearchRun {
  private readonly o: SearchRunOptions;
  private readonly pool: WorkerPool;
  private readonly files: WeightFiles;
  private readonly history: History;
  private readonly ask: () => Assignment | null;
  private readonly waiting: number[];
  private readonly leases = new Set<Lease>();
  private readonly queue: SearchEvent[] = [];
  /** The latest progress of each trial that nobody has read yet: of a slow reader's none piles up. */
  private readonly unread = new Map<number, SearchEvent>();
  private wake: () => void = () => {};
  private readonly deadline: number;
  private ended: number;
  private failures = 0;
  private stopped = false;
  private failure: { readonly error: unknown } | null = null;

  constructor(o: SearchRunOptions) {
    this.o = o;
    this.history = historyOf(o.study);
    this.ask = makeSearch(o.space, o.searcher, { seed: o.study.head.seed, args: o.args, history: this.history }).ask;
    const counted = o.study.trials().filter((t) => t.aside === null);
    this.waiting = counted.filter((t) => t.state === 'waiting').map((t) => t.trial);
    this.ended = counted.filter(hasEnded).length;
    this.deadline = o.time === null ? Infinity : performance.now() + o.time * 1000;
    this.files = new WeightFiles(o.study.path, o.keepAll);
    this.files.clean(this.history);
    this.pool = new WorkerPool({ entry: o.entry, workers: o.workers, memory: o.memory, timeout: o.timeout });
    for (const signal of [o.drain, o.release]) signal?.addEventListener('abort', () => this.wake());
  }

  async *events(): AsyncGenerator<SearchEvent> {
    for (;;) {
      while (this.mayStart() && this.start());
      if (this.failure) throw this.failure.error;
      const event = this.nextEvent();
      if (event) yield event;
      else if (this.leases.size === 0 || this.o.release?.aborted) return;
      else await new Promise<void>((resolve) => (this.wake = resolve));
    }
  }

  private nextEvent(): SearchEvent | undefined {
    const event = this.queue.shift();
    if (event) return event;
    const [progress] = this.unread;
    if (!progress) return undefined;
    this.unread.delete(progress[0]);
    return progress[1];
  }

  private mayStart(): boolean {
    if (this.stopped || this.failure || this.o.drain?.aborted || this.o.release?.aborted) return false;
    return this.pool.idle > 0 && this.ended + this.leases.size < this.o.trials && performance.now() < this.deadline;
  }

  // Starts one attempt, of a waiting trial or a new one; false where there is nothing to start.
  private start(): boolean {
    const trial = this.waiting.shift() ?? this.propose();
    if (trial === null) return false;
    const lease = this.o.study.lease(trial);
    this.leases.add(lease);
    this.queue.push({ kind: 'start', trial, attempt: lease.attempt });
    void this.attempt(lease).catch((error: unknown) => {
      this.failure ??= { error };
      this.wake();
    });
    return true;
  }

  private propose(): number | null {
    const decisions = this.ask();
    if (decisions === null) {
      this.stopped = true;
      this.queue.push({ kind: 'spent', trials: this.history.trials.length });
      return null;
    }
    const { study } = this.o;
    const { program, measures } = this.o.describe(decisions);
    const trial = study.ask(decisions, program, measures, seedOf(study, study.count()));
    this.history.asked(trial, decisions);
    return trial;
  }

  private job(lease: Lease): Job {
    const { head } = this.o.study;
    const { decisions, seed } = this.o.study.trial(lease.trial);
    return {
      kind: 'train',
      source: head.source,
      file: head.file,
      space: head.space,
      decisions,
      seed,
      threads: this.o.threadsPerWorker,
      dataHash: head.dataHash,
      weights: this.files.ofAttempt(lease),
    };
  }

  private async attempt(lease: Lease): Promise<void> {
    const outcome = await this.pool.run(this.job(lease), (report) => this.hear(lease, report));
    if (!this.leases.delete(lease)) return;
    this.unread.delete(lease.trial);
    this.record(lease, outcome);
    this.wake();
  }

  private hear(lease: Lease, report: Report): void {
    const { trial, attempt } = lease;
    if (!this.leases.has(lease)) return;
    const event: SearchEvent = { kind: 'report', trial, attempt, report };
    try {
      if (report.kind === 'epoch') this.o.study.epoch(lease, report.epoch, report.metrics);
    } catch (error) {
      this.failure ??= { error };
    }
    if (report.kind === 'epoch') this.queue.push(event);
    else this.unread.set(trial, event);
    this.wake();
  }

  private record(lease: Lease, outcome: Outcome): void {
    const { study } = this.o;
    const { trial, attempt } = lease;
    const { seconds } = outcome;
    switch (outcome.kind) {
      case 'refused':
        study.release(lease);
        throw new RefusedError(outcome.code, outcome.message);
      case 'died':
        this.files.drop(lease);
        if (study.attemptDied(lease, outcome.cause, outcome.message, seconds) === 'waiting') {
          this.waiting.unshift(trial);
          this.queue.push({ kind: 'retry', trial, attempt, cause: outcome.cause, message: outcome.message });
          return;
        }
        this.history.told(trial, 'failed', null);
        break;
      case 'failed':
        study.finish(lease, { state: 'failed', cause: outcome.cause, message: outcome.message, seconds });
        this.history.told(trial, 'failed', null);
        break;
      case 'done':
        // The weights stand in their place before the result does: a complete trial always has them.
        this.files.keep(lease);
        study.finish(lease, { state: 'complete', metrics: outcome.metrics, seconds, device: outcome.device });
        this.history.told(trial, 'complete', figuresOf(study.trial(trial)));
        this.files.prune(this.history);
    }
    this.ended++;
    this.said(study.trial(trial));
  }

  private said(trial: Trial): void {
    const best = this.history.best()?.trial ?? null;
    this.queue.push({ kind: 'end', trial, best });
    this.failures = trial.state === 'failed' ? this.failures + 1 : 0;
    if (best === null && this.failures === HOPELESS && !this.stopped) {
      this.stopped = true;
      this.queue.push({ kind: 'hopeless', failed: this.failures, trial });
    }
  }

  async close(): Promise<void> {
    const left = [...this.leases];
    this.leases.clear();
    await this.pool.close();
    for (const lease of left) {
      this.files.drop(lease);
      try {
        this.o.study.release(lease);
      } catch {
        // Taken over, or the disk is full: whoever opens the study next gives it back.
      }
    }
  }
}

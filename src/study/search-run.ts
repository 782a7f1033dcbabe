import { mkdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { keyOf } from '../base/philox.ts';
import { History, paretoFront } from '../search/history.ts';
import type { Objective } from '../search/history.ts';
import { makeSearch } from '../search/search.ts';
import type { SearcherArgs, SearcherDef } from '../search/searcher.ts';
import type { Assignment, Space } from '../space/space.ts';
import { WorkerPool } from './pool.ts';
import type { Job, Outcome, Report } from './protocol.ts';
import type { Lease, Metrics, Study, Trial } from './study.ts';

export interface SearchRunOptions {
  readonly study: Study;
  readonly space: Space;
  readonly objectives: readonly Objective[];
  readonly searcher: SearcherDef;
  readonly args: SearcherArgs;
  readonly trials: number;
  /** Seconds for the whole run; null: no limit. */
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
  | { readonly kind: 'spent'; readonly trials: number };

/** Folder beside a study for weights. */
export const filesOf = (study: Study): string => `${study.path}.files`;
export const weightsOf = (study: Study, trial: number): string => join(filesOf(study), `trial-${trial}.safetensors`);

/** What objectives may name: the figures of training and the measures of the architecture. */
const figuresOf = (t: Pick<Trial, 'metrics' | 'measures'>): Metrics => ({ ...t.measures, ...t.metrics });

/** The history of a study: asks and tells in the order in which they happened. */
export function historyOf(study: Study, objectives: readonly Objective[]): History {
  const history = new History(objectives);
  const trials = study.trials();
  for (const event of study.events()) {
    const t = trials[event.trial]!;
    if (event.kind === 'ask') history.asked(t.trial, t.decisions);
    else if (t.state === 'complete' || t.state === 'pruned' || t.state === 'failed')
      history.told(t.trial, t.state, t.metrics && figuresOf(t));
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
  private readonly history: History;
  private readonly ask: () => Assignment | null;
  private readonly waiting: number[];
  private readonly leases = new Set<Lease>();
  private readonly queue: SearchEvent[] = [];
  private wake: () => void = () => {};
  private readonly deadline: number;
  private spent = false;
  private failure: unknown = null;

  constructor(o: SearchRunOptions) {
    this.o = o;
    this.pool = new WorkerPool({ entry: o.entry, workers: o.workers, memory: o.memory, timeout: o.timeout });
    this.history = historyOf(o.study, o.objectives);
    this.ask = makeSearch(o.space, o.searcher, { seed: o.study.head.seed, args: o.args, history: this.history }).ask;
    this.waiting = o.study.trials().flatMap((t) => (t.state === 'waiting' ? [t.trial] : []));
    this.deadline = o.time === null ? Infinity : Date.now() + o.time * 1000;
    mkdirSync(filesOf(o.study), { recursive: true });
    for (const signal of [o.drain, o.release]) signal?.addEventListener('abort', () => this.wake());
  }

  async *events(): AsyncGenerator<SearchEvent> {
    for (;;) {
      while (this.mayStart() && this.start());
      const event = this.queue.shift();
      if (this.failure !== null) throw this.failure;
      if (event) {
        yield event;
        continue;
      }
      if (this.leases.size === 0 || this.o.release?.aborted) return;
      await new Promise<void>((resolve) => (this.wake = resolve));
    }
  }

  private mayStart(): boolean {
    return this.pool.idle > 0 && !this.o.drain?.aborted && !this.o.release?.aborted && Date.now() < this.deadline;
  }

  // Starts one attempt, of a waiting trial or a new one; false where there is nothing to start.
  private start(): boolean {
    const trial = this.waiting.shift() ?? this.propose();
    if (trial === null) return false;
    const lease = this.o.study.lease(trial);
    this.leases.add(lease);
    this.queue.push({ kind: 'start', trial, attempt: lease.attempt });
    void this.attempt(lease).catch((e: unknown) => {
      this.failure = e;
      this.wake();
    });
    return true;
  }

  private propose(): number | null {
    if (this.spent || this.history.trials.length >= this.o.trials) return null;
    const decisions = this.ask();
    if (decisions === null) {
      this.spent = true;
      this.queue.push({ kind: 'spent', trials: this.history.trials.length });
      return null;
    }
    const number = this.history.trials.length;
    const { program, measures } = this.o.describe(decisions);
    const trial = this.o.study.ask(decisions, program, measures, seedOf(this.o.study, number));
    this.history.asked(trial, decisions);
    return trial;
  }

  private job(trial: number, lease: Lease): Job {
    const { head } = this.o.study;
    return {
      kind: 'train',
      source: head.source,
      file: head.file,
      space: head.space,
      decisions: this.history.trials[trial]!.assignment,
      seed: seedOf(this.o.study, trial),
      threads: this.o.threadsPerWorker,
      dataHash: head.dataHash,
      weights: this.attemptWeights(lease),
    };
  }

  private attemptWeights(lease: Lease): string {
    return join(filesOf(this.o.study), `trial-${lease.trial}.attempt-${lease.attempt}.safetensors`);
  }

  private async attempt(lease: Lease): Promise<void> {
    const { trial, attempt } = lease;
    const outcome = await this.pool.run(this.job(trial, lease), (report) => {
      if (report.kind === 'epoch') this.o.study.epoch(lease, report.epoch, report.metrics);
      this.queue.push({ kind: 'report', trial, attempt, report });
      this.wake();
    });
    if (!this.leases.delete(lease)) return;
    this.record(lease, outcome);
    this.wake();
  }

  private record(lease: Lease, outcome: Outcome): void {
    const { study } = this.o;
    const { trial, attempt } = lease;
    const { seconds } = outcome;
    if (outcome.kind === 'died') {
      rmSync(this.attemptWeights(lease), { force: true });
      if (study.attemptDied(lease, outcome.cause, outcome.message, seconds) === 'waiting') {
        this.waiting.push(trial);
        this.queue.push({ kind: 'retry', trial, attempt, cause: outcome.cause, message: outcome.message });
        return;
      }
      this.history.told(trial, 'failed', null);
    } else if (outcome.kind === 'failed') {
      study.finish(lease, { state: 'failed', cause: outcome.cause, message: outcome.message, seconds });
      this.history.told(trial, 'failed', null);
    } else {
      // The weights stand in their place before the result does: a complete trial always has them.
      renameSync(this.attemptWeights(lease), weightsOf(study, trial));
      study.finish(lease, { state: 'complete', metrics: outcome.metrics, seconds });
      this.history.told(trial, 'complete', figuresOf(study.trials()[trial]!));
      this.prune();
    }
    const ended = study.trials()[trial]!;
    this.queue.push({ kind: 'end', trial: ended, best: this.history.best()?.trial ?? null });
  }

  // The weights of the best so far stay (of several objectives: of the front), those of the rest go, unless all are wanted.
  private prune(): void {
    const { study, keepAll, objectives } = this.o;
    if (keepAll) return;
    const kept = new Set(paretoFront(this.history.trials, objectives).map((t) => t.trial));
    for (const t of this.history.trials) {
      if (!kept.has(t.trial)) rmSync(weightsOf(study, t.trial), { force: true });
    }
  }

  async close(): Promise<void> {
    const left = [...this.leases];
    this.leases.clear();
    await this.pool.close();
    for (const lease of left) {
      this.o.study.release(lease);
      rmSync(this.attemptWeights(lease), { force: true });
    }
  }
}

import type { Assignment } from '../space/assignment.ts';

export type TrialState = 'waiting' | 'running' | 'complete' | 'failed' | 'pruned';
export type Cause = 'nan' | 'memory' | 'crash' | 'timeout' | 'error';
export type Metrics = Readonly<Record<string, number>>;

/** A trial as it stands in the study. */
export interface Trial {
  readonly trial: number;
  readonly state: TrialState;
  /** Why it does not count for the program as it is now; null: it counts. */
  readonly aside: string | null;
  readonly cause: Cause | null;
  readonly message: string | null;
  readonly attempts: number;
  readonly decisions: Assignment;
  readonly program: string;
  readonly measures: Metrics;
  readonly metrics: Metrics | null;
  readonly seed: number;
  readonly device: string | null;
  readonly seconds: number | null;
  readonly revision: number;
}

/** Proof of the right to end an attempt: a result under a lease that was taken away is refused. */
export interface Lease {
  readonly trial: number;
  readonly attempt: number;
  readonly token: string;
}

/** A row of the table of trials. */
export interface TrialRow {
  readonly trial: number;
  readonly state: TrialState;
  readonly aside: string | null;
  readonly cause: Cause | null;
  readonly message: string | null;
  readonly attempts: number;
  readonly decisions: string;
  readonly program: string;
  readonly measures: string;
  readonly seed: number;
  readonly device: string | null;
  readonly seconds: number | null;
  readonly revision: number;
}

export const hasEnded = (t: Pick<Trial, 'state'>): boolean =>
  t.state === 'complete' || t.state === 'pruned' || t.state === 'failed';

/** `figures`: the final ones, where there are any. */
export const trialOf = (row: TrialRow, figures: Metrics): Trial => ({
  trial: row.trial,
  state: row.state,
  aside: row.aside,
  cause: row.cause,
  message: row.message,
  attempts: row.attempts,
  decisions: JSON.parse(row.decisions) as Assignment,
  program: row.program,
  measures: JSON.parse(row.measures) as Metrics,
  metrics: row.state === 'complete' || row.state === 'pruned' ? figures : null,
  seed: row.seed,
  device: row.device,
  seconds: row.seconds,
  revision: row.revision,
});

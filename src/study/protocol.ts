import type { Assignment } from '../space/space.ts';
import type { Cause, Metrics } from './study.ts';

/** What a worker is told. It keeps nothing but loaded data: the job says all. */
export interface TrainJob {
  readonly kind: 'train';
  readonly source: string;
  readonly file: string;
  readonly space: string;
  readonly decisions: Assignment;
  readonly seed: number;
  readonly threads: number;
  /** The study's data set; another is an error. Empty: any. */
  readonly dataHash: string;
  /** Where the trained weights go; null: nowhere. */
  readonly weights: string | null;
}
/** Figures of stored weights on the test set. */
export interface TestJob {
  readonly kind: 'test';
  readonly source: string;
  readonly file: string;
  readonly space: string;
  readonly decisions: Assignment;
  readonly seed: number;
  readonly threads: number;
  readonly dataHash: string;
  readonly weights: string;
}
export type Job = TrainJob | TestJob;

/** What a worker says. */
export type Report =
  | {
      readonly kind: 'epoch';
      readonly epoch: number;
      readonly epochs: number;
      readonly step: number;
      readonly metrics: Metrics;
      readonly seconds: number;
    }
  | {
      readonly kind: 'progress';
      readonly epoch: number;
      readonly epochs: number;
      readonly done: number;
      readonly total: number;
    }
  | { readonly kind: 'done'; readonly metrics: Metrics; readonly seconds: number }
  | { readonly kind: 'failed'; readonly cause: Cause; readonly message: string; readonly seconds: number };

/** How a job ended: `died` is the end of the worker, not of the trial. */
export type Outcome =
  | { readonly kind: 'done'; readonly metrics: Metrics; readonly seconds: number }
  | { readonly kind: 'failed'; readonly cause: Cause; readonly message: string; readonly seconds: number }
  | { readonly kind: 'died'; readonly cause: Cause; readonly message: string; readonly seconds: number };

import type { Assignment } from '../space/assignment.ts';
import type { Cause, Metrics } from './trial.ts';

interface JobBase {
  readonly source: string;
  readonly file: string;
  readonly space: string;
  readonly decisions: Assignment;
  readonly seed: number;
  readonly threads: number;
  /** The study's data set; another is refused. Empty: any. */
  readonly dataHash: string;
}

/** What a worker is told. It keeps nothing but loaded data: the job says all. */
export type Job =
  /** Trains a member; the trained weights go to `weights`, or nowhere. */
  | (JobBase & { readonly kind: 'train'; readonly weights: string | null })
  /** Figures of stored weights on the test set. */
  | (JobBase & { readonly kind: 'test'; readonly weights: string });

/** What a worker says first: it has the job. */
export interface Began {
  readonly kind: 'began';
}

/** What a worker says on the way. */
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
    };

/** What a worker says at the end. */
export type Verdict =
  | { readonly kind: 'done'; readonly metrics: Metrics; readonly device: string; readonly seconds: number }
  /** The trial is at fault. */
  | { readonly kind: 'failed'; readonly cause: Cause; readonly message: string; readonly seconds: number }
  /** The trial is not at fault, and no other would do better: the data are gone, the disk is full. */
  | {
      readonly kind: 'refused';
      readonly code: 'input' | 'machine';
      readonly message: string;
      readonly seconds: number;
    };

/** How a job ended: `died` is the end of the worker, not of the trial. */
export type Outcome =
  Verdict | { readonly kind: 'died'; readonly cause: Cause; readonly message: string; readonly seconds: number };

/** A job cannot be done here, whatever the trial. */
export class RefusedError extends Error {
  override readonly name = 'RefusedError';
  readonly code: 'input' | 'machine';
  constructor(code: RefusedError['code'], message: string) {
    super(message);
    this.code = code;
  }
}

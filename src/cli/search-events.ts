import type { SearchEvent } from '../study/search-run.ts';
import type { Edit } from '../study/study.ts';
import type { Trial } from '../study/trial.ts';
import { duration, figuresText, short } from './format.ts';
import { printable } from './io.ts';
import type { Io } from './io.ts';

const head = (trial: number): string => `trial ${String(trial).padStart(3)}`;

function endText(t: Trial, isBest: boolean): string {
  const size = `params ${short(t.measures['params'] ?? 0)}`;
  const seconds = t.seconds ?? 0;
  const time = seconds < 10 ? `${seconds.toFixed(1)}s` : duration(seconds);
  if (t.state === 'failed')
    return `${head(t.trial)}  failed: ${t.cause}  ${printable(t.message ?? '')}  ${size}  ${time}`;
  return `${head(t.trial)}  ${figuresText(t.metrics ?? {})}  ${size}  ${time}${isBest ? '  best' : ''}`;
}

/** A line for people; null where there is nothing to say. */
export function eventText(e: SearchEvent): string | null {
  switch (e.kind) {
    case 'end':
      return endText(e.trial, e.best === e.trial.trial);
    case 'retry':
      return `${head(e.trial)}  attempt ${e.attempt} ended: ${e.cause} (${printable(e.message)}); it is tried again`;
    case 'spent':
      return `the space is spent: all of its ${e.trials} members were tried`;
    case 'hopeless':
      return `the first ${e.failed} trials failed, so the search stops`;
    case 'start':
    case 'report':
      return null;
  }
}

/** The form of `--json`; null where there is none. */
export function eventJson(e: SearchEvent): object | null {
  switch (e.kind) {
    case 'start':
      return null;
    case 'report': {
      if (e.report.kind !== 'epoch') return null;
      const { epoch, step, metrics, seconds } = e.report;
      return { event: 'epoch', trial: e.trial, attempt: e.attempt, epoch, step, ...metrics, seconds };
    }
    case 'end': {
      const { trial, state, cause, message, metrics, measures } = e.trial;
      return { event: 'trial', trial, state, cause, message, metrics, params: measures['params'] };
    }
    case 'retry':
      return { event: 'retry', trial: e.trial, attempt: e.attempt, cause: e.cause, message: e.message };
    case 'spent':
      return { event: 'spent', trials: e.trials };
    case 'hopeless':
      return { event: 'hopeless', failed: e.failed, cause: e.trial.cause, message: e.trial.message };
  }
}

/** What an edit of the program did to the trials of a study. */
export function sayEdit(io: Io, edit: Edit): void {
  const aside = [...edit.aside].map(([reason, trials]) => ({ reason, trials }));
  if (io.json) return io.data({ event: 'edit', kept: edit.kept, aside });
  const total = aside.reduce((n, a) => n + a.trials.length, 0);
  const word = (n: number): string => `${n} earlier trial${n === 1 ? '' : 's'}`;
  io.out(`the program was edited: ${word(edit.kept)} still count${edit.kept === 1 ? 's' : ''}, ${total} kept aside`);
  for (const { reason, trials } of aside)
    io.out(`  ${word(trials.length)} aside: ${printable(reason)} (${shortList(trials)})`);
}

const shortList = (trials: readonly number[]): string =>
  `trial${trials.length === 1 ? '' : 's'} ${trials.slice(0, 8).join(', ')}${trials.length > 8 ? ', …' : ''}`;

import type { SearchEvent } from '../study/search-run.ts';
import { figure } from './format.ts';
import { bar, eta } from './progress.ts';

const BAR = 30;

/** What the live lines of a search show: how far it is, the best so far, the time left, and what runs now. */
export class Board {
  private readonly started = performance.now();
  private readonly running = new Map<
    number,
    { readonly epoch: number; readonly epochs: number; readonly share: number }
  >();
  private readonly trials: number;
  private readonly before: number;
  private ended: number;
  private failed = 0;
  private best = 'no result yet';
  /** Said while a first Ctrl-C waits for what runs. */
  draining = false;

  constructor(trials: number, ended: number) {
    this.trials = trials;
    this.ended = this.before = ended;
  }

  take(e: SearchEvent): void {
    switch (e.kind) {
      case 'start':
        this.running.set(e.trial, { epoch: 0, epochs: 0, share: 0 });
        break;
      case 'retry':
        this.running.delete(e.trial);
        break;
      case 'report': {
        const { kind, epoch, epochs } = e.report;
        const share = kind === 'epoch' ? epoch / epochs : (epoch - 1 + e.report.done / e.report.total) / epochs;
        this.running.set(e.trial, { epoch, epochs, share });
        break;
      }
      case 'end':
        this.running.delete(e.trial.trial);
        this.ended++;
        if (e.trial.state === 'failed') this.failed++;
        break;
      case 'spent':
      case 'hopeless':
        break;
    }
  }

  bestIs(trial: number, figures: readonly (readonly [string, number | undefined])[]): void {
    this.best = `best ${figures.map(([name, v]) => `${name} ${figure(v)}`).join(', ')} (trial ${trial})`;
  }

  lines(): string[] {
    const partly = [...this.running.values()].reduce((n, r) => n + r.share, 0);
    const fresh = (this.ended - this.before + partly) / Math.max(1, this.trials - this.before);
    const failed = this.failed > 0 ? `, ${this.failed} failed` : '';
    const left = this.draining ? 'ending what runs; Ctrl-C again to stop now' : eta(this.started, fresh);
    const now = [...this.running].map(
      ([t, r]) => `trial ${t} ${r.epochs > 0 ? `epoch ${Math.max(1, r.epoch)}/${r.epochs}` : 'starts'}`,
    );
    return [
      `${bar((this.ended + partly) / this.trials, BAR)} ${this.ended}/${this.trials}${failed}  ${this.best}  ${left}`.trimEnd(),
      now.join(', '),
    ].filter((line) => line !== '');
  }
}

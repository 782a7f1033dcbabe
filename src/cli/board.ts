import type { SearchEvent } from '../study/search-run.ts';
import { duration, figure } from './format.ts';
import { bar, eta } from './progress.ts';

const BAR = 30;

/** What the live lines of a search show: how far it is, the best so far, the time left, and what runs now. */
export class Board {
  private readonly started = performance.now();
  private readonly running = new Map<
    number,
    { readonly epoch: number; readonly epochs: number; readonly share: number }
  >();
  /** Infinity where time alone is the budget. */
  private readonly trials: number;
  /** Seconds of this run; null: no limit. */
  private readonly time: number | null;
  private readonly before: number;
  private ended: number;
  private failed = 0;
  private best = 'no result yet';
  /** Said while a first Ctrl-C waits for what runs. */
  draining = false;

  constructor(trials: number, time: number | null, ended: number) {
    this.trials = trials;
    this.time = time;
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

  // How much is done, of the trials or of the time, whichever is further.
  private progress(partly: number): { readonly share: number; readonly left: string } {
    const passed = (performance.now() - this.started) / 1000;
    const timely = this.time === null ? 0 : Math.min(1, passed / this.time);
    const done = this.ended - this.before + partly;
    const fresh = Number.isFinite(this.trials) ? done / Math.max(1, this.trials - this.before) : 0;
    const share = Number.isFinite(this.trials) ? (this.ended + partly) / this.trials : 0;
    const left = timely > fresh ? `ETA ${duration(this.time! - passed)}` : eta(this.started, fresh);
    return { share: Math.max(share, timely), left };
  }

  lines(): string[] {
    const partly = [...this.running.values()].reduce((n, r) => n + r.share, 0);
    const { share, left } = this.progress(partly);
    const ended = Number.isFinite(this.trials) ? `${this.ended}/${this.trials}` : `${this.ended} trials`;
    const failed = this.failed > 0 ? `, ${this.failed} failed` : '';
    const hint = this.draining ? 'ending what runs; Ctrl-C again to stop now' : left;
    const now = [...this.running].map(
      ([t, r]) => `trial ${t} ${r.epochs > 0 ? `epoch ${Math.max(1, r.epoch)}/${r.epochs}` : 'starts'}`,
    );
    return [`${bar(share, BAR)} ${ended}${failed}  ${this.best}  ${hint}`.trimEnd(), now.join(', ')].filter(
      (line) => line !== '',
    );
  }
}

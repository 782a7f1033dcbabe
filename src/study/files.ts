import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { paretoFront } from '../search/history.ts';
import type { History } from '../search/history.ts';
import type { Lease } from './trial.ts';

/** Folder beside a study for weights. */
export const filesOf = (study: string): string => `${study}.files`;
export const weightsOf = (study: string, trial: number): string => join(filesOf(study), `trial-${trial}.safetensors`);

const FINAL = /^trial-(\d+)\.safetensors$/;
const PARTLY = /^trial-\d+\.[0-9a-f]{8}\.safetensors/;

/** The weights of a study's trials: those of the best so far (of several objectives: of the front), or of all. */
export class WeightFiles {
  private readonly study: string;
  private readonly keepAll: boolean;

  constructor(study: string, keepAll: boolean) {
    this.study = study;
    this.keepAll = keepAll;
    mkdirSync(filesOf(study), { recursive: true });
  }

  /** Where a worker writes: no other attempt has this name, so a worker that dies late disturbs none. */
  ofAttempt(lease: Lease): string {
    return join(filesOf(this.study), `trial-${lease.trial}.${lease.token.slice(0, 8)}.safetensors`);
  }

  keep(lease: Lease): void {
    renameSync(this.ofAttempt(lease), weightsOf(this.study, lease.trial));
  }

  drop(lease: Lease): void {
    rmSync(this.ofAttempt(lease), { force: true });
  }

  /** What attempts left behind that were cut short, and what is not wanted any more. */
  clean(history: History): void {
    for (const name of readdirSync(filesOf(this.study))) {
      if (PARTLY.test(name)) rmSync(join(filesOf(this.study), name), { force: true });
    }
    this.prune(history);
  }

  /** Trials that are set aside are not in the history; theirs stay. */
  prune(history: History): void {
    if (this.keepAll) return;
    const { trials, objectives } = history;
    const best = objectives.length === 1 ? history.best() : null;
    const kept = new Set((best ? [best] : paretoFront(trials, objectives)).map((t) => t.trial));
    const known = new Set(trials.map((t) => t.trial));
    for (const name of readdirSync(filesOf(this.study))) {
      const trial = Number(FINAL.exec(name)?.[1] ?? NaN);
      if (known.has(trial) && !kept.has(trial)) rmSync(join(filesOf(this.study), name), { force: true });
    }
  }
}

export const hasWeights = (study: string, trial: number): boolean => existsSync(weightsOf(study, trial));

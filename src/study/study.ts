import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { assignmentKey } from '../search/history.ts';
import type { Assignment } from '../space/assignment.ts';
import { addRevision, createStudy, currentHead, readHead, sha } from './file.ts';
import type { StudyHead } from './file.ts';
import { BEAT_MS, describeHolder, isAlive, thisHolder } from './holder.ts';
import type { Holder } from './holder.ts';
import { explained, openDatabase, StudyError, transaction } from './sqlite.ts';
import type { Database } from './sqlite.ts';
import { trialOf } from './trial.ts';
import type { Cause, Lease, Metrics, Trial, TrialRow } from './trial.ts';

/** A figure on the test set: of a best that was reported. */
export interface TestFigure {
  readonly trial: number;
  readonly metrics: Metrics;
}

/** A trial of an earlier revision, to be judged; `source` is the program it was asked from. */
export type OldTrial = Pick<Trial, 'trial' | 'decisions' | 'program'> & { readonly source: string };
/** Why a trial of another revision does not count for the current one; null: it does. */
export type Judge = (old: OldTrial) => string | null;

/** What an edit of the program did to the trials. */
export interface Edit {
  readonly kept: number;
  /** Trials that do not count now, by reason. */
  readonly aside: ReadonlyMap<string, readonly number[]>;
}

export type Result =
  | {
      readonly state: 'complete' | 'pruned';
      readonly metrics: Metrics;
      readonly seconds: number;
      readonly device?: string;
    }
  | { readonly state: 'failed'; readonly cause: Cause; readonly message: string; readonly seconds: number };

export interface StudyEvent {
  readonly kind: 'ask' | 'tell';
  readonly trial: number;
}

export interface Revision {
  readonly revision: number;
  readonly hash: string;
  readonly file: string;
  readonly source: string;
}

/** After so many attempts that ended in the death of the worker a trial is `failed`. */
export const MAX_ATTEMPTS = 3;

/**
 * One search on record: a SQLite file with one writer. Opening for reading never blocks a running search. Every change is one transaction, so
 * whatever is killed at whatever moment, a trial counts once.
 */
export class Study {
  readonly path: string;
  /** What the last opening changed; null where the program is as it was. */
  edit: Edit | null = null;
  head: StudyHead;
  private readonly db: Database;
  private readonly holder: Holder | null;
  private beat: NodeJS.Timeout | null = null;

  private constructor(path: string, db: Database, holder: Holder | null) {
    this.path = path;
    this.db = db;
    this.holder = holder;
    this.head = readHead(path, db);
  }

  /** Opens for reading: any number of readers beside one search. */
  static async read(path: string): Promise<Study> {
    if (!existsSync(path)) throw new StudyError('missing', `${path}: there is no such study`);
    const db = await openDatabase(path, true);
    try {
      return new Study(path, db, null);
    } catch (e) {
      db.close();
      throw e;
    }
  }

  /**
   * Opens or makes a study and takes the sole right to write. Trials that were running wait again; no attempt is charged. Where the program was edited, trials of
   * other revisions that `judge` gives a reason against are set aside: kept, but not counted.
   */
  static async open(path: string, head: StudyHead, tenon: string, judge: Judge = () => null): Promise<Study> {
    const db = await openDatabase(path, false);
    try {
      createStudy(path, db, head, tenon);
      const study = new Study(path, db, thisHolder());
      study.checkSame(head);
      study.take();
      study.change(() => study.resume(head, judge));
      study.head = currentHead(db);
      return study;
    } catch (e) {
      db.close();
      throw explained(path, e);
    }
  }

  private checkSame(head: StudyHead): void {
    const other = (what: string, was: unknown, is: unknown): never => {
      throw new StudyError(
        'other-space',
        `${this.path} has another ${what}: it was ${was}, now it is ${is}. Name another study with --study`,
      );
    };
    if (this.head.space !== head.space) other('space', this.head.space, head.space);
    if (this.head.seed !== head.seed) other('seed', this.head.seed, head.seed);
    if (this.head.dataHash !== head.dataHash) other('data set', this.head.dataHash, head.dataHash);
  }

  private take(): void {
    transaction(this.db, () => {
      const { holder: text } = this.db.prepare('select holder from study').get() as { holder: string | null };
      const holder = text === null ? null : (JSON.parse(text) as Holder);
      if (holder && isAlive(holder)) throw new StudyError('held', `${this.path}: ${describeHolder(holder)}`);
      this.db.prepare('update study set holder = ?').run(JSON.stringify(this.holder));
    });
    this.beat = setInterval(() => this.sign(), BEAT_MS);
    this.beat.unref();
  }

  // A sign of life, for coordinators on other hosts.
  private sign(): void {
    try {
      this.change(() =>
        this.db.prepare('update study set holder = ?').run(JSON.stringify({ ...this.holder, seen: Date.now() })),
      );
    } catch {
      // The next change of the search meets the same fault, and reports it.
    }
  }

  /** One transaction of the writer. Throws where another process has taken the study over. */
  private change<T>(body: () => T, durable = false): T {
    try {
      return transaction(
        this.db,
        () => {
          const { holder } = this.db.prepare('select holder from study').get() as { holder: string | null };
          const token = holder === null ? null : (JSON.parse(holder) as Holder).token;
          if (!this.holder || token !== this.holder.token)
            throw new StudyError('held', `${this.path}: another process has taken it over`);
          return body();
        },
        durable,
      );
    } catch (e) {
      throw explained(this.path, e);
    }
  }

  private resume(head: StudyHead, judge: Judge): void {
    const { db } = this;
    const { revision: before } = db.prepare('select revision from study').get() as { revision: number };
    const revision = addRevision(db, head);
    db.prepare('update study set revision = ?, objectives = ?, searcher = ?').run(
      revision,
      JSON.stringify(head.objectives),
      head.searcher,
    );
    db.exec("update trials set state = 'waiting', lease = null where state = 'running'");
    if (revision !== before) this.edit = this.review(revision, judge);
  }

  private review(revision: number, judge: Judge): Edit {
    const rows = this.db
      .prepare(
        'select trial, trials.revision, decisions, program, source from trials join revisions using (revision) order by trial',
      )
      .all() as { trial: number; revision: number; decisions: string; program: string; source: string }[];
    const aside = new Map<string, number[]>();
    const reasons = rows.map((row) =>
      row.revision === revision ? null : judge({ ...row, decisions: JSON.parse(row.decisions) as Assignment }),
    );
    // Equal decisions may mean different things in different revisions: first nothing counts, then what does.
    const set = this.db.prepare('update trials set aside = ? where trial = ?');
    rows.forEach((row, i) => set.run(reasons[i] ?? 'under review', row.trial));
    rows.forEach((row, i) => {
      const reason = reasons[i]!;
      if (reason === null) set.run(null, row.trial);
      else aside.set(reason, [...(aside.get(reason) ?? []), row.trial]);
    });
    return { kept: reasons.filter((r) => r === null).length, aside };
  }

  /** Adds a proposal as a waiting trial; gives its number. */
  ask(decisions: Assignment, program: string, measures: Metrics, seed: number): number {
    return this.change(() => {
      const trial = this.count();
      this.db
        .prepare(
          "insert into trials (trial, revision, state, decisions, key, program, measures, seed) values (?, (select revision from study), 'waiting', ?, ?, ?, ?, ?)",
        )
        .run(trial, JSON.stringify(decisions), sha(assignmentKey(decisions)), program, JSON.stringify(measures), seed);
      this.db.prepare("insert into events (kind, trial) values ('ask', ?)").run(trial);
      return trial;
    });
  }

  /** Starts an attempt at a waiting trial. */
  lease(trial: number): Lease {
    const token = randomUUID();
    return this.change(() => {
      const changed = this.db
        .prepare("update trials set state = 'running', lease = ?, started = ? where trial = ? and state = 'waiting'")
        .run(token, new Date().toISOString(), trial);
      if (Number(changed.changes) !== 1) throw new Error(`bug: trial ${trial} is not waiting`);
      const { attempts } = this.db.prepare('select attempts from trials where trial = ?').get(trial) as {
        attempts: number;
      };
      this.db.prepare('delete from metrics where trial = ? and attempt = ?').run(trial, attempts + 1);
      return { trial, attempt: attempts + 1, token };
    });
  }

  /** Figures of one epoch (from 1) of a running attempt; those of a lost lease are dropped. */
  epoch(lease: Lease, epoch: number, metrics: Metrics): void {
    this.change(() => {
      if (this.holds(lease)) this.writeMetrics(lease, epoch, metrics);
    });
  }

  private holds(lease: Lease): boolean {
    return (
      this.db.prepare('select 1 from trials where trial = ? and lease = ?').get(lease.trial, lease.token) !== undefined
    );
  }

  private writeMetrics(lease: Lease, epoch: number, metrics: Metrics): void {
    const insert = this.db.prepare(
      'insert or replace into metrics (trial, attempt, epoch, name, value) values (?, ?, ?, ?, ?)',
    );
    for (const [name, value] of Object.entries(metrics)) {
      insert.run(lease.trial, lease.attempt, epoch, name, Number.isFinite(value) ? value : null);
    }
  }

  /** Ends a trial; false where the lease was lost, and nothing is recorded. */
  finish(lease: Lease, result: Result): boolean {
    return this.change(() => {
      if (!this.holds(lease)) return false;
      const failed = result.state === 'failed';
      this.db
        .prepare(
          'update trials set state = ?, cause = ?, message = ?, attempts = ?, lease = null, device = ?, ended = ?, seconds = ? where trial = ?',
        )
        .run(
          result.state,
          failed ? result.cause : null,
          failed ? result.message : null,
          lease.attempt,
          failed ? null : (result.device ?? null),
          new Date().toISOString(),
          result.seconds,
          lease.trial,
        );
      if (!failed) this.writeMetrics(lease, 0, result.metrics);
      this.db.prepare("insert into events (kind, trial) values ('tell', ?)").run(lease.trial);
      return true;
    }, true);
  }

  /** The worker died. The trial waits again, or after the last attempt is `failed` with the cause. */
  attemptDied(lease: Lease, cause: Cause, message: string, seconds: number): 'waiting' | 'failed' | 'lost' {
    if (lease.attempt >= MAX_ATTEMPTS) {
      return this.finish(lease, { state: 'failed', cause, message, seconds }) ? 'failed' : 'lost';
    }
    return this.change(() => {
      if (!this.holds(lease)) return 'lost';
      this.db
        .prepare(
          "update trials set state = 'waiting', lease = null, attempts = ?, cause = ?, message = ? where trial = ?",
        )
        .run(lease.attempt, cause, message, lease.trial);
      return 'waiting';
    });
  }

  /** Gives a trial back without charging an attempt (an interrupt). */
  release(lease: Lease): void {
    this.change(() =>
      this.db
        .prepare("update trials set state = 'waiting', lease = null where trial = ? and lease = ?")
        .run(lease.trial, lease.token),
    );
  }

  recordTest(figure: TestFigure): void {
    this.change(
      () =>
        this.db
          .prepare('insert or replace into tests (trial, metrics, created) values (?, ?, ?)')
          .run(figure.trial, JSON.stringify(figure.metrics), new Date().toISOString()),
      true,
    );
  }

  /** Every look at the test set, by trial. */
  tests(): readonly TestFigure[] {
    const rows = this.db.prepare('select trial, metrics from tests order by trial').all() as {
      trial: number;
      metrics: string;
    }[];
    return rows.map((row) => ({ trial: row.trial, metrics: JSON.parse(row.metrics) as Metrics }));
  }

  /** The figures of a trial on the test set; null where it was never tested. */
  test(trial: number): Metrics | null {
    return this.tests().find((t) => t.trial === trial)?.metrics ?? null;
  }

  /** How many trials were ever asked. */
  count(): number {
    return Number((this.db.prepare('select count(*) as n from trials').get() as { n: number }).n);
  }

  trial(number: number): Trial {
    const row = this.db.prepare('select * from trials where trial = ?').get(number) as TrialRow | undefined;
    if (!row) throw new Error(`bug: ${this.path} has no trial ${number}`);
    return trialOf(row, this.figures(number).get(number) ?? {});
  }

  /** Every trial, in order of asking. */
  trials(): readonly Trial[] {
    const figures = this.figures(null);
    const rows = this.db.prepare('select * from trials order by trial').all() as unknown as TrialRow[];
    return rows.map((row) => trialOf(row, figures.get(row.trial) ?? {}));
  }

  // Final figures by trial: those of its last attempt.
  private figures(trial: number | null): ReadonlyMap<number, Metrics> {
    const sql = `select m.trial, m.name, m.value from metrics m join trials t on t.trial = m.trial and t.attempts = m.attempt
      where m.epoch = 0 ${trial === null ? '' : 'and m.trial = ?'}`;
    const rows = this.db.prepare(sql).all(...(trial === null ? [] : [trial])) as {
      trial: number;
      name: string;
      value: number | null;
    }[];
    const found = new Map<number, Record<string, number>>();
    for (const m of rows) {
      let of = found.get(m.trial);
      if (!of) found.set(m.trial, (of = {}));
      of[m.name] = m.value ?? NaN;
    }
    return found;
  }

  /** Asks and tells in the order in which they happened. */
  events(): readonly StudyEvent[] {
    return this.db.prepare('select kind, trial from events order by sequence').all() as StudyEvent[];
  }

  /** Figures of each epoch of a trial's last attempt. */
  epochs(trial: number): readonly { readonly epoch: number; readonly metrics: Metrics }[] {
    const rows = this.db
      .prepare(
        'select epoch, name, value from metrics where trial = ? and epoch > 0 and attempt = (select max(attempt) from metrics where trial = ?) order by epoch',
      )
      .all(trial, trial) as { epoch: number; name: string; value: number | null }[];
    const byEpoch = new Map<number, Record<string, number>>();
    for (const r of rows) byEpoch.set(r.epoch, { ...byEpoch.get(r.epoch), [r.name]: r.value ?? NaN });
    return [...byEpoch].map(([epoch, metrics]) => ({ epoch, metrics }));
  }

  /** Every text of the program that the study was run with, oldest first. */
  revisions(): readonly Revision[] {
    return this.db.prepare('select revision, hash, file, source from revisions order by revision').all() as Revision[];
  }

  close(): void {
    if (this.beat) clearInterval(this.beat);
    try {
      if (this.holder) {
        this.change(() => this.db.exec('update study set holder = null'));
        // Then the one file is the whole study, and may be copied alone.
        this.db.exec('pragma wal_checkpoint(truncate)');
      }
    } catch {
      // Taken over, or the disk is full: the hold of a dead process counts for nothing.
    } finally {
      this.db.close();
    }
  }
}

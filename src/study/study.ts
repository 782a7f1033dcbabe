import { createHash, randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import type { Assignment } from '../space/space.ts';
import { assignmentKey } from '../search/history.ts';
import { isAlive, thisHolder } from './holder.ts';
import type { Holder } from './holder.ts';
import { SCHEMA, STUDY_VERSION } from './schema.ts';
import { openDatabase, StudyError, transaction } from './sqlite.ts';
import type { Database } from './sqlite.ts';

export type TrialState = 'waiting' | 'running' | 'complete' | 'failed' | 'pruned';
export type Cause = 'nan' | 'memory' | 'crash' | 'timeout' | 'error';
export type Metrics = Readonly<Record<string, number>>;

/** A trial as it stands in the study. */
export interface Trial {
  readonly trial: number;
  readonly state: TrialState;
  readonly cause: Cause | null;
  readonly message: string | null;
  readonly attempts: number;
  readonly decisions: Assignment;
  readonly program: string;
  readonly measures: Metrics;
  readonly metrics: Metrics | null;
  readonly seed: number;
  readonly seconds: number | null;
  readonly revision: number;
}

export interface StudyHead {
  readonly file: string;
  readonly source: string;
  readonly space: string;
  readonly seed: number;
  readonly settings: unknown;
  readonly dataHash: string;
}

/** The figure on the test set, read once for the reported best. */
export interface TestFigure {
  readonly trial: number;
  readonly metrics: Metrics;
}

/** Proof of the right to end an attempt: a result under a lease that was taken away is refused. */
export interface Lease {
  readonly trial: number;
  readonly attempt: number;
  readonly token: string;
}

/** After so many attempts that ended in the death of the worker a trial is `failed`. */
export const MAX_ATTEMPTS = 3;

const sha = (text: string): string => createHash('sha256').update(text).digest('hex');

/**
 * One search on record: a SQLite file with one writer. Opening for reading never blocks a running search. Every change is one transaction, so
 * whatever is killed at whatever moment, a trial counts once.
 */
export class Study {
  readonly path: string;
  readonly head: StudyHead;
  private readonly db: Database;
  private readonly writer: boolean;

  private constructor(path: string, db: Database, writer: boolean) {
    this.path = path;
    this.db = db;
    this.writer = writer;
    this.head = readHead(path, db);
  }

  /** Opens for reading: any number of readers beside one search. */
  static async read(path: string): Promise<Study> {
    if (!existsSync(path)) throw new StudyError('missing', `${path}: there is no such study`);
    const db = await openDatabase(path, true);
    try {
      return new Study(path, db, false);
    } catch (e) {
      db.close();
      throw e;
    }
  }

  /** Opens or makes a study and takes the sole right to write. Trials that were running wait again; no attempt is charged. */
  static async open(path: string, head: StudyHead, tenon: string): Promise<Study> {
    const db = await openDatabase(path, false);
    try {
      guard(path, () => create(db, head, tenon));
      const study = new Study(path, db, true);
      study.take();
      study.checkSame(head);
      study.db
        .prepare('insert or ignore into revisions (hash, file, source, created) values (?, ?, ?, ?)')
        .run(sha(head.source), head.file, head.source, new Date().toISOString());
      study.db.exec("update trials set state = 'waiting', lease = null where state = 'running'");
      return study;
    } catch (e) {
      db.close();
      throw e;
    }
  }

  private take(): void {
    transaction(this.db, () => {
      const row = this.db.prepare('select holder from study').get() as { holder: string | null };
      const holder = row.holder === null ? null : (JSON.parse(row.holder) as Holder);
      if (holder && isAlive(holder) && holder.pid !== process.pid) {
        throw new StudyError('held', `${this.path}: process ${holder.pid} on ${holder.host} is running this search`);
      }
      this.db.prepare('update study set holder = ?').run(JSON.stringify(thisHolder()));
    });
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

  /** Adds a proposal as a waiting trial; gives its number. */
  ask(decisions: Assignment, program: string, measures: Metrics, seed: number): number {
    return transaction(this.db, () => {
      const { n } = this.db.prepare('select count(*) as n from trials').get() as { n: number };
      const revision = this.db
        .prepare('select revision from revisions where hash = ?')
        .get(sha(this.currentSource())) as { revision: number };
      this.db
        .prepare(
          "insert into trials (trial, revision, state, decisions, key, program, measures, seed) values (?, ?, 'waiting', ?, ?, ?, ?, ?)",
        )
        .run(
          n,
          revision.revision,
          JSON.stringify(decisions),
          sha(assignmentKey(decisions)),
          program,
          JSON.stringify(measures),
          seed,
        );
      this.db.prepare("insert into events (kind, trial) values ('ask', ?)").run(n);
      return n;
    });
  }

  private currentSource(): string {
    return (this.db.prepare('select source from revisions order by revision desc limit 1').get() as { source: string })
      .source;
  }

  /** Starts an attempt at a waiting trial. */
  lease(trial: number): Lease {
    const token = randomUUID();
    return transaction(this.db, () => {
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
    transaction(this.db, () => {
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
  finish(
    lease: Lease,
    result:
      | { state: 'complete' | 'pruned'; metrics: Metrics; seconds: number }
      | { state: 'failed'; cause: Cause; message: string; seconds: number },
  ): boolean {
    return transaction(this.db, () => {
      if (!this.holds(lease)) return false;
      const failed = result.state === 'failed';
      this.db
        .prepare(
          'update trials set state = ?, cause = ?, message = ?, attempts = ?, lease = null, ended = ?, seconds = ? where trial = ?',
        )
        .run(
          result.state,
          failed ? result.cause : null,
          failed ? result.message : null,
          lease.attempt,
          new Date().toISOString(),
          result.seconds,
          lease.trial,
        );
      if (!failed) this.writeMetrics(lease, 0, result.metrics);
      this.db.prepare("insert into events (kind, trial) values ('tell', ?)").run(lease.trial);
      return true;
    });
  }

  /** The worker died. The trial waits again, or after the last attempt is `failed` with the cause. */
  attemptDied(lease: Lease, cause: Cause, message: string, seconds: number): 'waiting' | 'failed' | 'lost' {
    if (lease.attempt >= MAX_ATTEMPTS) {
      return this.finish(lease, { state: 'failed', cause, message, seconds }) ? 'failed' : 'lost';
    }
    return transaction(this.db, () => {
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
    this.db
      .prepare("update trials set state = 'waiting', lease = null where trial = ? and lease = ?")
      .run(lease.trial, lease.token);
  }

  recordTest(figure: TestFigure): void {
    this.db
      .prepare('update study set test_trial = ?, test_metrics = ?')
      .run(figure.trial, JSON.stringify(figure.metrics));
  }

  test(): TestFigure | null {
    const row = this.db.prepare('select test_trial, test_metrics from study').get() as {
      test_trial: number | null;
      test_metrics: string | null;
    };
    return row.test_trial === null || row.test_metrics === null
      ? null
      : { trial: row.test_trial, metrics: JSON.parse(row.test_metrics) as Metrics };
  }

  /** Every trial, in order of asking. */
  trials(): readonly Trial[] {
    const final = new Map<number, Record<string, number>>();
    for (const m of this.db.prepare('select trial, name, value from metrics where epoch = 0').all() as {
      trial: number;
      name: string;
      value: number | null;
    }[]) {
      const of = final.get(m.trial) ?? {};
      of[m.name] = m.value ?? NaN;
      final.set(m.trial, of);
    }
    return (this.db.prepare('select * from trials order by trial').all() as unknown as Row[]).map((row) => ({
      trial: row.trial,
      state: row.state,
      cause: row.cause,
      message: row.message,
      attempts: row.attempts,
      decisions: JSON.parse(row.decisions) as Assignment,
      program: row.program,
      measures: JSON.parse(row.measures) as Metrics,
      metrics: row.state === 'complete' || row.state === 'pruned' ? (final.get(row.trial) ?? {}) : null,
      seed: row.seed,
      seconds: row.seconds,
      revision: row.revision,
    }));
  }

  /** Asks and tells in the order in which they happened. */
  events(): readonly { readonly kind: 'ask' | 'tell'; readonly trial: number }[] {
    return this.db.prepare('select kind, trial from events order by sequence').all() as unknown as {
      kind: 'ask' | 'tell';
      trial: number;
    }[];
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

  close(): void {
    if (this.writer) this.db.exec('update study set holder = null');
    this.db.close();
  }
}

interface Row {
  readonly trial: number;
  readonly state: TrialState;
  readonly cause: Cause | null;
  readonly message: string | null;
  readonly attempts: number;
  readonly decisions: string;
  readonly program: string;
  readonly measures: string;
  readonly seed: number;
  readonly seconds: number | null;
  readonly revision: number;
}

function guard<T>(path: string, body: () => T): T {
  try {
    return body();
  } catch (e) {
    if (e instanceof StudyError) throw e;
    throw new StudyError('corrupt', `${path}: it is not a study, or it is damaged (${(e as Error).message})`);
  }
}

const hasStudy = (db: Database): boolean =>
  db.prepare("select 1 from sqlite_master where type = 'table' and name = 'study'").get() !== undefined;

function create(db: Database, head: StudyHead, tenon: string): void {
  transaction(db, () => {
    if (hasStudy(db)) return;
    if (db.prepare('select 1 from sqlite_master').get() !== undefined) throw new Error('it holds other tables');
    db.exec(SCHEMA);
    const now = new Date().toISOString();
    db.prepare(
      'insert into study (id, version, tenon, created, space, seed, settings, data_hash) values (1, ?, ?, ?, ?, ?, ?, ?)',
    ).run(STUDY_VERSION, tenon, now, head.space, head.seed, JSON.stringify(head.settings), head.dataHash);
    db.prepare('insert into revisions (hash, file, source, created) values (?, ?, ?, ?)').run(
      sha(head.source),
      head.file,
      head.source,
      now,
    );
  });
}

function readHead(path: string, db: Database): StudyHead {
  return guard(path, () => {
    if (!hasStudy(db)) throw new StudyError('corrupt', `${path}: it is not a study`);
    const row = db.prepare('select * from study').get() as Record<string, unknown>;
    if (Number(row['version']) > STUDY_VERSION) {
      throw new StudyError(
        'newer',
        `${path}: made by a newer Tenon (study version ${row['version']}, this one reads ${STUDY_VERSION})`,
      );
    }
    const check = db.prepare('pragma quick_check(1)').get() as Record<string, unknown>;
    const verdict = String(Object.values(check)[0]);
    if (verdict !== 'ok') throw new StudyError('corrupt', `${path}: it is damaged (${verdict})`);
    const revision = db.prepare('select file, source from revisions order by revision desc limit 1').get() as {
      file: string;
      source: string;
    };
    return {
      file: revision.file,
      source: revision.source,
      space: String(row['space']),
      seed: Number(row['seed']),
      settings: JSON.parse(String(row['settings'])),
      dataHash: String(row['data_hash']),
    };
  });
}

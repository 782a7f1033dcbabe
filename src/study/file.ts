import { createHash } from 'node:crypto';
import type { Objective } from '../search/history.ts';
import { SCHEMA, STUDY_VERSION } from './schema.ts';
import { explained, StudyError, transaction } from './sqlite.ts';
import type { Database } from './sqlite.ts';

/** What a study is of. `file` and `source` are of its current revision. */
export interface StudyHead {
  readonly file: string;
  readonly source: string;
  readonly space: string;
  readonly seed: number;
  readonly dataHash: string;
  readonly objectives: readonly Objective[];
  readonly searcher: string;
}

export const sha = (text: string): string => createHash('sha256').update(text).digest('hex');

// Whatever goes wrong before a study is known to be one is its fault, but for the disk's.
function guard<T>(path: string, body: () => T): T {
  try {
    return body();
  } catch (e) {
    const known = explained(path, e);
    if (known instanceof StudyError) throw known;
    throw new StudyError('corrupt', `${path}: it is not a study, or it is damaged (${(e as Error).message})`);
  }
}

const hasStudy = (db: Database): boolean =>
  db.prepare("select 1 from sqlite_master where type = 'table' and name = 'study'").get() !== undefined;

/** Makes the tables, unless they are there. A database with other tables is left as it is. */
export function createStudy(path: string, db: Database, head: StudyHead, tenon: string): void {
  guard(path, () => {
    if (!hasStudy(db) && db.prepare('select 1 from sqlite_master').get() !== undefined) {
      throw new StudyError('corrupt', `${path}: it is not a study: it holds other tables`);
    }
    db.exec('pragma journal_mode = wal');
    transaction(db, () => {
      if (hasStudy(db)) return;
      db.exec(SCHEMA);
      const revision = addRevision(db, head);
      db.prepare(
        'insert into study (id, version, tenon, created, space, seed, data_hash, objectives, searcher, revision) values (1, ?, ?, ?, ?, ?, ?, ?, ?, ?)',
      ).run(
        STUDY_VERSION,
        tenon,
        new Date().toISOString(),
        head.space,
        head.seed,
        head.dataHash,
        JSON.stringify(head.objectives),
        head.searcher,
        revision,
      );
    });
  });
}

/** The number of a text among the revisions; it is added where it is new. The file may have moved since. */
export function addRevision(db: Database, head: Pick<StudyHead, 'file' | 'source'>): number {
  const hash = sha(head.source);
  db.prepare(
    'insert into revisions (hash, file, source, created) values (?, ?, ?, ?) on conflict (hash) do update set file = excluded.file',
  ).run(hash, head.file, head.source, new Date().toISOString());
  return Number(
    (db.prepare('select revision from revisions where hash = ?').get(hash) as { revision: number }).revision,
  );
}

/** Refuses what is no study, what is damaged, and what a newer version wrote. */
export function readHead(path: string, db: Database): StudyHead {
  return guard(path, () => {
    if (!hasStudy(db)) throw new StudyError('corrupt', `${path}: it is not a study`);
    const { version } = db.prepare('select version from study').get() as { version: number };
    if (version > STUDY_VERSION) {
      throw new StudyError(
        'newer',
        `${path}: made by a newer Tenon (study version ${version}, this one reads ${STUDY_VERSION})`,
      );
    }
    const check = db.prepare('pragma quick_check(1)').get() as Record<string, unknown>;
    const verdict = String(Object.values(check)[0]);
    if (verdict !== 'ok') throw new StudyError('corrupt', `${path}: it is damaged (${verdict})`);
    return currentHead(db);
  });
}

export function currentHead(db: Database): StudyHead {
  const row = db.prepare('select * from study join revisions using (revision)').get() as Record<string, unknown>;
  return {
    file: String(row['file']),
    source: String(row['source']),
    space: String(row['space']),
    seed: Number(row['seed']),
    dataHash: String(row['data_hash']),
    objectives: JSON.parse(String(row['objectives'])) as Objective[],
    searcher: String(row['searcher']),
  };
}

import type { DatabaseSync } from '@photostructure/sqlite';

export type Database = InstanceType<typeof DatabaseSync>;

/** Older versions can corrupt a WAL that several connections share. */
const OLDEST = [3, 51, 3] as const;

export class StudyError extends Error {
  override readonly name = 'StudyError';
  readonly code: 'missing' | 'newer' | 'corrupt' | 'held' | 'other-space' | 'sqlite' | 'disk';
  constructor(code: StudyError['code'], message: string) {
    super(message);
    this.code = code;
  }
}

function isOld(version: string): boolean {
  const parts = version.split('.').map(Number);
  for (let i = 0; i < 3; i++) {
    if (parts[i] !== OLDEST[i]) return (parts[i] ?? 0) < OLDEST[i]!;
  }
  return false;
}

// Node's own SQLite where it is new enough, else the one from npm: the interface is the same.
async function drivers(): Promise<readonly (new (path: string, options?: object) => Database)[]> {
  const found: (new (path: string, options?: object) => Database)[] = [];
  if (Number(process.versions.node.split('.')[0]) >= 24) {
    const own = 'node:sqlite';
    found.push(((await import(own)) as { DatabaseSync: new (path: string) => Database }).DatabaseSync);
  }
  found.push((await import('@photostructure/sqlite')).DatabaseSync as new (path: string, options?: object) => Database);
  return found;
}

/** Opens a file with WAL and a busy timeout; refuses a SQLite with the WAL fault. */
export async function openDatabase(path: string, readOnly: boolean): Promise<Database> {
  let version = '';
  for (const Driver of await drivers()) {
    let db: Database;
    try {
      db = new Driver(path, { readOnly });
    } catch (e) {
      throw new StudyError('disk', `${path}: it cannot be opened (${(e as Error).message})`);
    }
    try {
      version = String((db.prepare('select sqlite_version() as v').get() as { v: string }).v);
      if (isOld(version)) {
        db.close();
        continue;
      }
      db.exec('pragma busy_timeout = 10000; pragma foreign_keys = on');
      if (!readOnly) db.exec('pragma journal_mode = wal; pragma synchronous = normal');
      db.prepare('select 1 from sqlite_master').get();
      return db;
    } catch (e) {
      db.close();
      throw new StudyError('corrupt', `${path}: it is not a study, or it is damaged (${(e as Error).message})`);
    }
  }
  throw new StudyError('sqlite', `SQLite ${version} is too old: ${OLDEST.join('.')} or newer is needed`);
}

/** Runs `body` in one immediate transaction: all of it is recorded, or nothing. */
export function transaction<T>(db: Database, body: () => T): T {
  db.exec('begin immediate');
  try {
    const result = body();
    db.exec('commit');
    return result;
  } catch (e) {
    db.exec('rollback');
    throw e;
  }
}

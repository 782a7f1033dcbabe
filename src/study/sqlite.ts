import { existsSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { DatabaseSync } from '@photostructure/sqlite';

export type Database = InstanceType<typeof DatabaseSync>;
type Driver = new (path: string, options?: object) => Database;

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

export function isOld(version: string): boolean {
  const parts = version.split('.').map(Number);
  for (let i = 0; i < 3; i++) {
    if (parts[i] !== OLDEST[i]) return (parts[i] ?? 0) < OLDEST[i]!;
  }
  return false;
}

// Node's own SQLite where it is new enough, else the one from npm: the interface is the same.
async function* drivers(): AsyncGenerator<Driver> {
  if (Number(process.versions.node.split('.')[0]) >= 24) {
    const own = 'node:sqlite';
    yield ((await import(own)) as { DatabaseSync: Driver }).DatabaseSync;
  }
  yield (await import('@photostructure/sqlite')).DatabaseSync;
}

// Primary result codes of SQLite.
const DISK = new Set([8, 10, 13, 14]); // read-only, i/o, full, cannot open
const BROKEN = new Set([11, 26]); // corrupt, not a database
const LOCKED = new Set([5, 6]);

/** What SQLite said, as an error of the study; other errors pass. */
export function explained(path: string, e: unknown): unknown {
  const { errcode, message } = e as { errcode?: number; message: string };
  if (e instanceof StudyError || errcode === undefined) return e;
  const primary = errcode & 0xff;
  if (DISK.has(primary))
    return new StudyError('disk', `${path}: the disk refuses (${message}); nothing recorded so far is lost`);
  if (BROKEN.has(primary))
    return new StudyError('corrupt', `${path}: it is not a study, or it is damaged (${message})`);
  if (LOCKED.has(primary)) return new StudyError('held', `${path}: another process has it locked (${message})`);
  return e;
}

/** Opens a file with a busy timeout; refuses a SQLite with the WAL fault. */
export async function openDatabase(path: string, readOnly: boolean): Promise<Database> {
  let version = '';
  for await (const Driver of drivers()) {
    const db = connect(Driver, path, readOnly);
    try {
      version = String((db.prepare('select sqlite_version() as v').get() as { v: string }).v);
      if (isOld(version)) {
        db.close();
        continue;
      }
      db.exec('pragma busy_timeout = 10000; pragma foreign_keys = on');
      if (!readOnly) db.exec('pragma synchronous = normal');
      db.prepare('select 1 from sqlite_master').get();
      return db;
    } catch (e) {
      db.close();
      throw explained(path, e);
    }
  }
  throw new StudyError('sqlite', `SQLite ${version} is too old: ${OLDEST.join('.')} or newer is needed`);
}

const hasWal = (path: string): boolean => existsSync(`${path}-wal`) && statSync(`${path}-wal`).size > 0;

function connect(Driver: Driver, path: string, readOnly: boolean): Database {
  try {
    const db = new Driver(path, { readOnly });
    if (!readOnly) return db;
    try {
      db.prepare('select 1 from sqlite_master').get();
      return db;
    } catch (e) {
      db.close();
      // WAL wants a file beside the study. In a folder that cannot be written it is read as it lies, if no writer left anything behind.
      if (!DISK.has(((e as { errcode?: number }).errcode ?? 0) & 0xff) || hasWal(path)) throw e;
      return new Driver(`${pathToFileURL(resolve(path)).href}?immutable=1`, { readOnly });
    }
  } catch (e) {
    if (!existsSync(dirname(path))) throw new StudyError('missing', `${path}: there is no folder ${dirname(path)}`);
    const known = explained(path, e);
    if (known instanceof StudyError && known.code !== 'disk') throw known;
    throw new StudyError('disk', `${path}: it cannot be opened (${(e as Error).message})`);
  }
}

/**
 * Runs `body` in one immediate transaction: all of it is recorded, or nothing. A `durable` one is on the disk when this returns; others
 * survive the death of the process, but the latest may go with the power.
 */
export function transaction<T>(db: Database, body: () => T, durable = false): T {
  if (durable) db.exec('pragma synchronous = full');
  try {
    db.exec('begin immediate');
    try {
      const result = body();
      db.exec('commit');
      return result;
    } catch (e) {
      try {
        db.exec('rollback');
      } catch {
        // SQLite has rolled back already, as it does on a full disk.
      }
      throw e;
    }
  } finally {
    if (durable) db.exec('pragma synchronous = normal');
  }
}

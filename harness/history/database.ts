import { open, realpath, stat, statfs } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import Sqlite from 'libsql';
import { HarnessError } from '../errors.ts';
import { explainDiskError, isCode, makeFolder, readIfThere } from '../host/disk.ts';
import { acquireLock } from '../host/lock.ts';
import { applicationId, migrations } from './tables.ts';

export type Value = string | number | null;
/** A row of a table: the value of each column, by the name of the column. */
export type Row = Readonly<Record<string, Value>>;

/**
 * An open history: the database with the results of nights. A history may be read at any time, and is changed only inside `write`.
 */
export interface History extends AsyncDisposable {
  /** The path without symbolic links, so that all names of one file share its locks. */
  readonly path: string;
  readonly all: (sql: string, ...values: readonly Value[]) => readonly Row[];
  readonly one: (sql: string, ...values: readonly Value[]) => Row | undefined;
  /**
   * Runs `work` in one transaction. When the promise has resolved, everything that `work` wrote is safe on the disk. After a
   * SIGKILL or a power cut before that, the history has either all or none of these changes. Writers of several processes take
   * turns, by a flock on a lock file beside the history.
   */
  readonly write: <T>(work: (run: Run) => T) => Promise<T>;
}

/** Runs an SQL statement that changes rows. */
export type Run = (sql: string, ...values: readonly Value[]) => void;

/**
 * Network file systems, by the type number that statfs(2) returns (linux/magic.h, fs/smb/client). Another host or a program keeps
 * the locks of such a file system, so the locks may not keep two writers apart.
 */
const networkFileSystems: ReadonlyMap<number, string> = new Map([
  [0x6969, 'NFS'],
  [0x517b, 'SMB'],
  [0xff534d42, 'CIFS'],
  [0xfe534d42, 'SMB2'],
  [0x01021997, '9p'],
  [0x5346414f, 'AFS'],
  [0x00c36400, 'Ceph'],
  [0x73757245, 'Coda'],
  [0x65735546, 'FUSE'],
  [0x0bd00bd0, 'Lustre'],
  [0x786f4256, 'vboxsf'],
]);

/** The name of the network file system with this type number of statfs(2). Undefined for any other file system. */
export function networkFileSystem(type: number): string | undefined {
  return networkFileSystems.get(type >>> 0);
}

/**
 * Opens the history (the database with the results of nights) at the path `named`, and brings its tables up to date. Makes a
 * missing file when `create` is true. Throws `usage` for a missing file when `create` is false, for anything but a regular file,
 * for a folder that cannot be made, and for a network file system. Throws `config` for a file that is not a history, is damaged, or
 * was made by a later version of splat.
 */
export async function openHistory(
  named: string,
  { signal, create }: { readonly signal: AbortSignal; readonly create: boolean },
): Promise<History> {
  const path = await prepareFile(named, create);
  const connection = connect(path);
  try {
    const tables = tablesOf(path, connection, signal);
    await bringUpToDate(tables);
    return { ...tables, [Symbol.asyncDispose]: async () => void connection.close() };
  } catch (error) {
    connection.close();
    throw error;
  }
}

type Connection = InstanceType<typeof Sqlite>;

/**
 * A prepared statement that takes any number of values, as libsql documents it. The types of the package allow only a fixed
 * number.
 */
interface Statement {
  readonly run: (...values: readonly Value[]) => unknown;
  readonly get: (...values: readonly Value[]) => unknown;
  readonly all: (...values: readonly Value[]) => unknown;
}

/** Checks the file of a history, or the place where it will be made. Returns its path without symbolic links. */
async function prepareFile(named: string, create: boolean): Promise<string> {
  let path = named;
  try {
    const found = await readIfThere(stat(named));
    if (found === undefined && !create) {
      throw new HarnessError(
        'usage',
        `history ${path}: no such file; the first night or splat history import creates it`,
      );
    }
    if (found !== undefined && !found.isFile()) {
      throw new HarnessError('usage', `history ${path}: not a regular file`);
    }
    if (create) await makeFolder(dirname(named));
    path =
      found === undefined
        ? join(await realpath(dirname(named)), basename(named))
        : await realpath(named);
    const where = networkFileSystem((await statfs(dirname(path))).type);
    if (where !== undefined) {
      const why = `it is on ${where}, where locks do not keep two writers apart`;
      throw new HarnessError(
        'usage',
        `history ${path}: ${why}; name a file on a disk of this host`,
      );
    }
    if (found === undefined || found.size === 0) return path;
    await using file = await open(path, 'r');
    const { buffer } = await file.read(Buffer.alloc(16), 0, 16, 0);
    if (buffer.toString('latin1') !== 'SQLite format 3\0') throw notOurs(path);
    return path;
  } catch (error) {
    throw isCode(error, 'ENOENT')
      ? new HarnessError('usage', `history ${path}: its folder ${dirname(path)} cannot be made`, {
          cause: error,
        })
      : explainDiskError(error, path);
  }
}

function notOurs(path: string, cause?: unknown): HarnessError {
  const next = 'name another file, or move this file away';
  return new HarnessError('config', `history ${path}: not a history database of splat; ${next}`, {
    cause,
  });
}

function connect(path: string): Connection {
  try {
    const connection = new Sqlite(path, { timeout: 30_000 });
    // A rollback journal needs no shared memory, and leaves one file.
    connection.exec('PRAGMA journal_mode = DELETE; PRAGMA synchronous = FULL;');
    return connection;
  } catch (error) {
    throw explained(error, path);
  }
}

/** Turns an error of SQLite into a HarnessError that names the history and the fault. Returns any other error unchanged. */
function explained(error: unknown, path: string): unknown {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  if (code === 'SQLITE_NOTADB') return notOurs(path, error);
  // A table or column is missing only when another program changed the file: openHistory() makes all tables and columns.
  const isIncomplete = error instanceof Error && /^no such (?:table|column)/.test(error.message);
  if (code.startsWith('SQLITE_CORRUPT') || isIncomplete) return damaged(path, error);
  const faults = new Map([
    ['SQLITE_FULL', 'no space left'],
    ['SQLITE_READONLY', 'no permission to write to it'],
    ['SQLITE_IOERR', 'input/output error'],
    ['SQLITE_CANTOPEN', 'it cannot be opened'],
    ['SQLITE_BUSY', 'another program has it locked'],
  ]);
  const fault = [...faults].find(([prefix]) => code.startsWith(prefix))?.[1];
  if (fault === undefined) return error;
  return new HarnessError('infra', `history ${path}: ${fault}`, { cause: error });
}

function damaged(path: string, cause?: unknown): HarnessError {
  const next = 'put a backup in its place (splat history backup makes one), or move the file away';
  return new HarnessError('config', `history ${path} is damaged; ${next}`, { cause });
}

/** A history without the method that closes it. */
type Tables = Omit<History, typeof Symbol.asyncDispose>;

function tablesOf(path: string, connection: Connection, signal: AbortSignal): Tables {
  const prepared = new Map<string, Statement>();
  const statement = (sql: string): Statement => {
    const known = prepared.get(sql) ?? (connection.prepare(sql) as Statement);
    prepared.set(sql, known);
    return known;
  };
  const guarded = <T>(work: () => T): T => {
    try {
      return work();
    } catch (error) {
      throw explained(error, path);
    }
  };
  const run: Run = (sql, ...values) => void statement(sql).run(...values);
  return {
    path,
    all: (sql, ...values) => guarded(() => statement(sql).all(...values) as readonly Row[]),
    one: (sql, ...values) => guarded(() => statement(sql).get(...values) as Row | undefined),
    write: async (work) => {
      await using _lock = await acquireLock(`${path}.lock`, { signal });
      return guarded(() => {
        connection.exec('BEGIN IMMEDIATE');
        try {
          const result = work(run);
          connection.exec('COMMIT');
          return result;
        } catch (error) {
          // On a full disk, SQLite has rolled back by itself, and refuses to do it again.
          if (connection.inTransaction) connection.exec('ROLLBACK');
          throw error;
        }
      });
    },
  };
}

async function bringUpToDate(history: Tables): Promise<void> {
  const pragma = (name: string): number =>
    Number(Object.values(history.one(`PRAGMA ${name}`) ?? {})[0] ?? 0);
  const version = pragma('user_version');
  const isEmpty = history.one('SELECT 1 FROM sqlite_schema LIMIT 1') === undefined;
  if (!isEmpty && pragma('application_id') !== applicationId) throw notOurs(history.path);
  // A view or a trigger of a stranger would run when a table is read or changed, and might never end.
  const foreign = "SELECT 1 FROM sqlite_schema WHERE type NOT IN ('table', 'index') LIMIT 1";
  if (history.one(foreign) !== undefined) throw notOurs(history.path);
  if (version > migrations.length) {
    const both = `it has format ${version}, and this version reads formats up to ${migrations.length}`;
    throw new HarnessError(
      'config',
      `history ${history.path} was written by a later version of splat: ${both}`,
    );
  }
  if (version === migrations.length) return;
  await history.write((run) => {
    // Another process may have brought the history up to date in the meantime.
    const at = pragma('user_version');
    for (const step of migrations.slice(at)) {
      for (const sql of step.split(';').filter((one) => one.trim() !== '')) run(sql);
    }
    run(`PRAGMA application_id = ${applicationId}`);
    run(`PRAGMA user_version = ${migrations.length}`);
  });
}

/** Parses JSON that a history has stored. Throws `config` for a text that is not JSON. */
export function storedJson(history: Pick<History, 'path'>, json: string): unknown {
  try {
    return JSON.parse(json) as unknown;
  } catch (error) {
    throw damaged(history.path, error);
  }
}

/** Reads every page of the history. Throws `config` when SQLite finds damage. */
export function requireIntact(history: History): void {
  const [answer] = Object.values(history.one('PRAGMA quick_check(1)') ?? {});
  if (answer !== 'ok') throw damaged(history.path);
}

/**
 * Copies a history into one complete file, even while other processes write to the history. Throws `usage` when the file exists
 * already. Throws `config` when the history is damaged.
 */
export async function backupHistory(history: History, file: string): Promise<void> {
  if ((await readIfThere(stat(file))) !== undefined) {
    throw new HarnessError('usage', `${file} exists already; name a new file`);
  }
  // SQLite would blame the history for a copy that cannot be made.
  if ((await readIfThere(stat(dirname(file))))?.isDirectory() !== true) {
    throw new HarnessError('usage', `${file} cannot be written: its folder does not exist`);
  }
  requireIntact(history);
  history.all('VACUUM INTO ?', file);
}

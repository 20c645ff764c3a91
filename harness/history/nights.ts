import { realpath } from 'node:fs/promises';
import { basename, dirname, join, relative } from 'node:path';
import { HarnessError } from '../errors.ts';
import { readIfThere } from '../host/disk.ts';
import type { HarnessFacts } from '../records/harness.ts';
import type { History, Row, Run, Value } from './database.ts';

/** A night as the history stores it. */
export interface StoredNight {
  readonly id: number;
  /** The night's name: the time at which the night began, in UTC. No two nights have the same name. */
  readonly name: string;
  readonly state: 'open' | 'closed' | 'abandoned';
  readonly matrixFile: string;
  readonly matrixDigest: string;
  /** The matrix of the night, as matrixName() names it. Null for an imported run and for a part of a night. */
  readonly matrix: string | null;
  /** The id of the only cell that the night was to run (`--cell`). Null for a night of the whole matrix. */
  readonly onlyCell: string | null;
  /** The absolute path of the night's folder. */
  readonly dir: string;
  /** The plan of the night, as JSON. Only the code that made the plan reads it. */
  readonly plan: string;
  readonly startedMs: number;
  readonly endedMs: number | null;
  readonly harness: HarnessFacts;
  readonly verdict: string | null;
  readonly exitCode: number | null;
}

const columns = `id, name, state, matrix_file, matrix_digest, matrix, only_cell, dir, plan, started_ms, ended_ms, harness,
  signatures, verdict, exit_code`;

/** The fields of a night that are there when it begins. `matrix` and `onlyCell` are null when they are absent. */
export type NewNight = Pick<
  StoredNight,
  'name' | 'matrixFile' | 'matrixDigest' | 'dir' | 'plan' | 'startedMs' | 'harness'
> &
  Partial<Pick<StoredNight, 'matrix' | 'onlyCell'>>;

/**
 * The name by which a history tells its matrices apart: the path of the matrix file, relative to the folder of the history. So
 * the name stays the same when both are moved together. Symbolic links in the path of the file's folder are resolved, as in the
 * path of the history.
 */
export async function matrixName(
  { path }: Pick<History, 'path'>,
  matrixFile: string,
): Promise<string> {
  const folder = dirname(matrixFile);
  // The parts of a night may be merged where the matrix file is not.
  const real = (await readIfThere(realpath(folder))) ?? folder;
  return join(relative(dirname(path), real), basename(matrixFile));
}

/** Stores a night that begins, in the state `open`. Throws `usage` when the history already has a night with this name. */
export async function beginNight(history: History, night: NewNight): Promise<StoredNight> {
  const { name } = night;
  await history.write((run) => {
    requireNew(history, name);
    insertNight(run, night);
  });
  const stored = nightNamed(history, name);
  if (stored === undefined)
    throw new HarnessError('internal', `night ${name} is not in the history after it was written`);
  return stored;
}

/**
 * A night as the history will store it when `begin` is called inside a transaction. Until then nothing is written. An earlier
 * version of splat may have left an imported run of this name that has no end: `begin` removes it.
 */
export function provisionalNight(
  history: History,
  night: NewNight,
): { readonly night: StoredNight; readonly begin: (run: Run) => void } {
  const newest = history.one('SELECT coalesce(max(id), 0) AS id FROM nights');
  const id = Number(newest?.['id']) + 1;
  const stale = "(SELECT id FROM nights WHERE name = ? AND state <> 'closed' AND matrix_file = ?)";
  const begin = (run: Run): void => {
    run(`DELETE FROM trials WHERE night = ${stale}`, night.name, importedRun);
    run(`DELETE FROM nights WHERE id = ${stale}`, night.name, importedRun);
    requireNew(history, night.name);
    if (history.one('SELECT 1 FROM nights WHERE id = ?', id) !== undefined) {
      const why = 'another night began in the meantime; run the same command again';
      throw new HarnessError('infra', `history ${history.path}: ${why}`);
    }
    insertNight(run, night, id);
  };
  const rest = { endedMs: null, verdict: null, exitCode: null } as const;
  const stored = { matrix: null, onlyCell: null, ...night, ...rest, id, state: 'open' as const };
  return { night: stored, begin };
}

function requireNew(history: History, name: string): void {
  if (history.one('SELECT 1 FROM nights WHERE name = ?', name) === undefined) return;
  throw new HarnessError(
    'usage',
    `history ${history.path} already has night ${name}: two nights cannot begin in the same second`,
  );
}

/**
 * Inserts the row of a night that begins; without `id`, the night gets the next id. Call this inside a transaction. The history
 * must have no night with this name.
 */
export function insertNight(run: Run, night: NewNight, id: number | null = null): void {
  const { name, matrixFile, matrixDigest, dir, plan, startedMs, harness } = night;
  run(
    `INSERT INTO nights (id, name, state, matrix_file, matrix_digest, matrix, only_cell, dir, plan, started_ms, harness, signatures)
     VALUES (?, ?, 'open', ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    id,
    name,
    matrixFile,
    matrixDigest,
    night.matrix ?? null,
    night.onlyCell ?? null,
    dir,
    plan,
    startedMs,
    harness.version,
    harness.signatures,
  );
}

/** The night with this name; undefined when there is none. */
export function nightNamed(history: History, name: string): StoredNight | undefined {
  return nightsWhere(history, 'WHERE name = ?', name)[0];
}

/** The newest night in the state `open`: it was neither closed nor abandoned. Undefined when there is no such night. */
export function openNight(history: History): StoredNight | undefined {
  return nightsWhere(history, "WHERE state = 'open' ORDER BY id DESC LIMIT 1")[0];
}

/**
 * Marks a night as abandoned: it will not be continued. Its trials stay in the history, but the night has no verdict, and no later
 * night is compared with it.
 */
export async function abandonNight(history: History, { id }: StoredNight): Promise<void> {
  await history.write((run) => run("UPDATE nights SET state = 'abandoned' WHERE id = ?", id));
}

/** The newest closed nights, at most `most`, the newest first. A run that was imported counts as a night. */
export function closedNights(history: History, most: number): readonly StoredNight[] {
  return nightsWhere(history, "WHERE state = 'closed' ORDER BY id DESC LIMIT ?", most);
}

/** The words that stand in place of the matrix file for a run that was imported, which the history stores as a night. */
export const importedRun = 'splat history import';

/** The closed nights before the night with the id `before`: at most `most`, the newest first. Imported runs are left out. */
export function nightsBefore(
  history: History,
  most: number,
  before: number,
): readonly StoredNight[] {
  return nightsWhere(
    history,
    "WHERE state = 'closed' AND matrix_file <> ? AND id < ? ORDER BY id DESC LIMIT ?",
    importedRun,
    before,
    most,
  );
}

/** The last closed night before this night that ran the same whole matrix. Undefined when there is no such night. */
export function lastWholeNight(
  history: History,
  { id, matrix }: Pick<StoredNight, 'id' | 'matrix'>,
): StoredNight | undefined {
  return nightsWhere(
    history,
    "WHERE matrix = ? AND only_cell IS NULL AND state = 'closed' AND id < ? ORDER BY id DESC LIMIT 1",
    matrix,
    id,
  )[0];
}

/** Replaces the plan of a night that runs, so that a night which is continued has the same plan. */
export async function keepPlan(history: History, night: number, plan: string): Promise<void> {
  await history.write((run) => run('UPDATE nights SET plan = ? WHERE id = ?', plan, night));
}

/** All nights that began at `sinceMs` (milliseconds since 1970) or later, in any state, the newest first. */
export function nightsSince(history: History, sinceMs: number): readonly StoredNight[] {
  return nightsWhere(history, 'WHERE started_ms >= ? ORDER BY id DESC', sinceMs);
}

function nightsWhere(
  history: History,
  where: string,
  ...values: readonly Value[]
): readonly StoredNight[] {
  return history.all(`SELECT ${columns} FROM nights ${where}`, ...values).map(readNight);
}

function readNight(row: Row): StoredNight {
  const text = (name: string): string => String(row[name] ?? '');
  const whole = (name: string): number | null => (row[name] == null ? null : Number(row[name]));
  const state = text('state');
  return {
    id: Number(row['id']),
    name: text('name'),
    state: state === 'open' || state === 'closed' ? state : 'abandoned',
    matrixFile: text('matrix_file'),
    matrixDigest: text('matrix_digest'),
    matrix: row['matrix'] == null ? null : text('matrix'),
    onlyCell: row['only_cell'] == null ? null : text('only_cell'),
    dir: text('dir'),
    plan: text('plan'),
    startedMs: Number(row['started_ms']),
    endedMs: whole('ended_ms'),
    harness: { version: text('harness'), signatures: Number(row['signatures']) },
    verdict: row['verdict'] == null ? null : text('verdict'),
    exitCode: whole('exit_code'),
  };
}

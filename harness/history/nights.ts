import { HarnessError } from '../errors.ts';
import type { HarnessFacts } from '../records/harness.ts';
import type { History, Row, Run } from './database.ts';

/** A night as the history stores it. */
export interface StoredNight {
  readonly id: number;
  /** When the night began, in UTC; no two nights have the same name. */
  readonly name: string;
  readonly state: 'open' | 'closed' | 'abandoned';
  readonly matrixFile: string;
  readonly matrixDigest: string;
  /** The night's folder, as an absolute path. */
  readonly dir: string;
  /** The plan of the night, as the JSON that its planner wrote. */
  readonly plan: string;
  readonly startedMs: number;
  readonly endedMs: number | null;
  readonly harness: HarnessFacts;
  readonly verdict: string | null;
  readonly exitCode: number | null;
}

const columns = `id, name, state, matrix_file, matrix_digest, dir, plan, started_ms, ended_ms, harness, signatures, verdict,
  exit_code`;

/** What is known of a night when it begins. */
export type NewNight = Pick<
  StoredNight,
  'name' | 'matrixFile' | 'matrixDigest' | 'dir' | 'plan' | 'startedMs' | 'harness'
>;

/** Begins a night, and stores it as open. Throws `usage` when the history has a night with this name already. */
export async function beginNight(history: History, night: NewNight): Promise<StoredNight> {
  const { name } = night;
  await history.write((run) => {
    if (history.one('SELECT 1 FROM nights WHERE name = ?', name) !== undefined) {
      throw new HarnessError(
        'usage',
        `history ${history.path} already has night ${name}: two nights cannot begin in the same second`,
      );
    }
    insertNight(run, night);
  });
  const stored = nightNamed(history, name);
  if (stored === undefined)
    throw new HarnessError('internal', `night ${name} is not in the history after it was written`);
  return stored;
}

/** Inserts the row of a night that begins, inside a transaction of the caller. No night of the history may have its name. */
export function insertNight(run: Run, night: NewNight): void {
  const { name, matrixFile, matrixDigest, dir, plan, startedMs, harness } = night;
  run(
    `INSERT INTO nights (name, state, matrix_file, matrix_digest, dir, plan, started_ms, harness, signatures)
     VALUES (?, 'open', ?, ?, ?, ?, ?, ?, ?)`,
    name,
    matrixFile,
    matrixDigest,
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

/** The newest night that is neither closed nor abandoned; undefined when there is none. */
export function openNight(history: History): StoredNight | undefined {
  return nightsWhere(history, "WHERE state = 'open' ORDER BY id DESC LIMIT 1")[0];
}

/**
 * Marks a night as abandoned: nobody goes on with it. Its trials stay in the history, but it has no verdict, and no later night
 * is compared with it.
 */
export async function abandonNight(history: History, { id }: StoredNight): Promise<void> {
  await history.write((run) => run("UPDATE nights SET state = 'abandoned' WHERE id = ?", id));
}

/** The newest closed nights, the newest first, imported runs among them. */
export function closedNights(history: History, most: number): readonly StoredNight[] {
  return nightsWhere(history, "WHERE state = 'closed' ORDER BY id DESC LIMIT ?", most);
}

/** In place of the matrix file, for a run that was imported: it is stored as a night of its own. */
export const importedRun = 'splat history import';

/** The newest closed nights of a matrix that began before the night of the id `before`, the newest first. */
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

/** The nights in any state that began at or after a time, in milliseconds since 1970, the newest first. */
export function nightsSince(history: History, sinceMs: number): readonly StoredNight[] {
  return nightsWhere(history, 'WHERE started_ms >= ? ORDER BY id DESC', sinceMs);
}

function nightsWhere(
  history: History,
  where: string,
  ...values: readonly (string | number)[]
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
    dir: text('dir'),
    plan: text('plan'),
    startedMs: Number(row['started_ms']),
    endedMs: whole('ended_ms'),
    harness: { version: text('harness'), signatures: Number(row['signatures']) },
    verdict: row['verdict'] == null ? null : text('verdict'),
    exitCode: whole('exit_code'),
  };
}

import { HarnessError } from '../errors.ts';
import { type History, type Row, type Run, storedJson, type Value } from './database.ts';
import { undoLockOrders } from './lock-orders.ts';
import {
  closedNights,
  insertNight,
  type NewNight,
  nightNamed,
  type StoredNight,
} from './nights.ts';

/** Tables in which every row belongs to one night. */
const ofNight = ['results', 'trials', 'machines', 'sightings', 'witnesses'] as const;

/** The rows of earlier nights that change when a merged night ends, as they were before that. */
interface Before {
  readonly issues: readonly Row[];
  readonly known_issues: readonly Row[];
}

/**
 * Prepares the history for a night that is merged from parts. When this night was merged before, the results of that merge are
 * removed; so merging the same parts twice gives the same history. Until closeNight() ends it, the night counts as abandoned.
 * `night.plan` identifies the night. `cells` are the ids of all its cells. Throws `usage` in three cases: the history has this
 * night with another plan; it has this night, but not from a merge; a newer night is closed, which may have been compared with
 * this night.
 */
export async function openMergedNight(
  history: History,
  night: NewNight,
  cells: readonly string[],
): Promise<StoredNight> {
  const found = nightNamed(history, night.name);
  const [newest] = closedNights(history, 1);
  if (newest !== undefined && newest.name > night.name) {
    const why = `the history already has the later night ${newest.name}: merge nights in the order of their dates`;
    throw new HarnessError('usage', `the plan is for night ${night.name}, and ${why}`);
  }
  if (found !== undefined && found.plan !== night.plan) {
    const text = `history ${history.path} already has night ${night.name}, from another plan`;
    throw new HarnessError('usage', text);
  }
  await history.write((run) => {
    if (found === undefined) insertNight(run, night);
    else undo(history, run, found.id);
    run(
      `INSERT OR REPLACE INTO merges (night, before) VALUES ((SELECT id FROM nights WHERE name = ?), ?)`,
      night.name,
      JSON.stringify(readBefore(history, cells)),
    );
    run(
      "UPDATE nights SET state = 'abandoned', dir = ?, verdict = NULL, exit_code = NULL, ended_ms = NULL WHERE name = ?",
      night.dir,
      night.name,
    );
  });
  const stored = nightNamed(history, night.name);
  if (stored === undefined)
    throw new HarnessError(
      'internal',
      `night ${night.name} is not in the history after it was written`,
    );
  return stored;
}

function readBefore(history: History, cells: readonly string[]): Before {
  return {
    issues: cells.flatMap((cell) =>
      history.all('SELECT * FROM issues WHERE cell = (SELECT id FROM cells WHERE cell = ?)', cell),
    ),
    known_issues: history.all('SELECT * FROM known_issues'),
  };
}

function undo(history: History, run: Run, night: number): void {
  const kept = history.one('SELECT before FROM merges WHERE night = ?', night);
  if (kept === undefined)
    throw new HarnessError(
      'usage',
      'the history already has this night, but not from a merge; only a night that was merged can be merged again',
    );
  const before = storedJson(history, String(kept['before'])) as Before;
  run('DELETE FROM issues WHERE cell IN (SELECT cell FROM results WHERE night = ?)', night);
  run('DELETE FROM known_issues');
  for (const table of ['issues', 'known_issues'] as const) {
    for (const row of before[table]) insertRow(run, table, row);
  }
  for (const table of ofNight) run(`DELETE FROM ${table} WHERE night = ?`, night);
  undoLockOrders(run, night);
}

function insertRow(run: Run, table: keyof Before, row: Row): void {
  const columns = Object.keys(row);
  const values: readonly Value[] = Object.values(row);
  const marks = columns.map(() => '?').join(', ');
  run(`INSERT OR REPLACE INTO ${table} (${columns.join(', ')}) VALUES (${marks})`, ...values);
}

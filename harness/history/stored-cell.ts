import {
  isPass,
  lastNight,
  type RanNight,
  type TriedNight,
  textOrNull,
  triedIn,
} from './cell-nights.ts';
import type { StoredIssue } from './close-night.ts';
import type { History } from './database.ts';

/**
 * An issue: a splat of a cell. `nights` has its counts in each night, the oldest night first. The list begins with the
 * night in which the issue was first seen, came back, or changed its rate. The list has at most 365 nights, and is empty
 * when the issue is gone.
 */
interface IssueHistory extends Omit<StoredIssue, 'cell' | 'ranOn' | 'hits' | 'trials' | 'firstMs'> {
  readonly nights: readonly {
    readonly night: string;
    readonly hits: number;
    readonly trials: number;
  }[];
}

/**
 * The findings of earlier nights about a cell (one combination of kernel, guest and workload): the last night that ran
 * it (`tested`), the last that ran it without a new splat (`passed`), and the last in which its workload reported how
 * it ended (`tried`).
 */
interface CellHistory {
  readonly tested?: RanNight;
  readonly passed?: RanNight;
  readonly tried?: TriedNight;
  readonly last?: { readonly night: string; readonly verdict: string; readonly because: string };
  readonly issues: readonly IssueHistory[];
}

/** The largest number of nights of an issue that are read: counts of more than a year ago say nothing about its rate today. */
const mostNights = 365;

/** The classes of a cell's result that say nothing about the kernel, as a list for SQL. */
const unsaid = "('infrastructure', 'notRun', 'disappeared')";

/**
 * Reads what earlier nights found in a cell. Only nights on the accelerator `ranOn` count, because results of KVM are not
 * compared with results of TCG. For a kernel that was not booted, `ranOn` is null: then the nights on both accelerators count,
 * and no issues are returned.
 */
export function readStoredCell(history: History, cell: string, ranOn: string | null): CellHistory {
  const found = history.one('SELECT id FROM cells WHERE cell = ?', cell);
  if (found === undefined) return { issues: [] };
  const id = Number(found['id']);
  const tested = lastNight(history, id, ranOn, 'r.trials > 0');
  const passed = lastNight(history, id, ranOn, isPass);
  const tried = triedIn(history, id, ranOn);
  const last = history.one(
    `SELECT n.name, r.verdict, r.because FROM results r JOIN nights n ON n.id = r.night
     WHERE r.cell = ? AND coalesce(r.ran_on, ?, '') = coalesce(?, r.ran_on, '') AND r.class NOT IN ${unsaid}
       AND n.state = 'closed'
     ORDER BY r.night DESC LIMIT 1`,
    id,
    ranOn,
    ranOn,
  );
  return {
    ...(tested === undefined ? {} : { tested }),
    ...(passed === undefined ? {} : { passed }),
    ...(tried === undefined ? {} : { tried }),
    ...(last === undefined
      ? {}
      : {
          last: {
            night: String(last['name']),
            verdict: String(last['verdict']),
            because: String(last['because']),
          },
        }),
    issues: ranOn === null ? [] : issuesOf(history, id, ranOn),
  };
}

/** The kernel and its image on which a cell ran in a night. Undefined when the cell did not run on a kernel in that night. */
export function testedKernel(
  history: History,
  cell: string,
  night: string,
): { readonly id: string; readonly image: string | null } | undefined {
  const row = history.one(
    `SELECT r.kernel, r.image FROM results r JOIN nights n ON n.id = r.night JOIN cells c ON c.id = r.cell
     WHERE c.cell = ? AND n.name = ? AND r.kernel IS NOT NULL`,
    cell,
    night,
  );
  if (row === undefined) return undefined;
  return { id: String(row['kernel']), image: textOrNull(row['image']) };
}

/**
 * The cells in which nights on one accelerator saw the splat `key`. `described` is the whole cell, as JSON. `isOpen` is false
 * when the splat is gone from that cell.
 */
export function cellsWithIssue(
  history: History,
  key: string,
  ranOn: string,
): readonly { readonly cell: string; readonly described: string; readonly isOpen: boolean }[] {
  return history
    .all(
      `SELECT c.cell, c.described, i.state FROM signatures s JOIN issues i ON i.signature = s.id JOIN cells c ON c.id = i.cell
       WHERE s.key = ? AND i.ran_on = ?`,
      key,
      ranOn,
    )
    .map((row) => ({
      cell: String(row['cell']),
      described: String(row['described']),
      isOpen: row['state'] === 'open',
    }));
}

function issuesOf(history: History, cell: number, ranOn: string): readonly IssueHistory[] {
  return history
    .all(
      `SELECT i.signature, i.state, i.since_night, s.key, s.title, f.name AS first_seen, l.name AS last_seen, b.name AS since
       FROM issues i JOIN signatures s ON s.id = i.signature JOIN nights f ON f.id = i.first_night
         JOIN nights l ON l.id = i.last_night JOIN nights b ON b.id = i.since_night
       WHERE i.cell = ? AND i.ran_on = ?`,
      cell,
      ranOn,
    )
    .map((row) => ({
      key: String(row['key']),
      title: String(row['title']),
      state: row['state'] === 'open' ? ('open' as const) : ('gone' as const),
      firstSeen: String(row['first_seen']),
      lastSeen: String(row['last_seen']),
      since: String(row['since']),
      nights:
        row['state'] === 'open'
          ? nightsOf(history, cell, ranOn, Number(row['signature']), Number(row['since_night']))
          : [],
    }));
}

function nightsOf(
  history: History,
  cell: number,
  ranOn: string,
  signature: number,
  since: number,
): IssueHistory['nights'] {
  return history
    .all(
      `SELECT n.name, g.hits, g.trials FROM sightings g JOIN nights n ON n.id = g.night
       WHERE g.cell = ? AND g.ran_on = ? AND g.signature = ? AND g.night >= ? ORDER BY g.night DESC LIMIT ${mostNights}`,
      cell,
      ranOn,
      signature,
      since,
    )
    .toReversed()
    .map((row) => ({
      night: String(row['name']),
      hits: Number(row['hits']),
      trials: Number(row['trials']),
    }));
}

/**
 * The counts of each witness of a cell, by the name of the witness: the count per trial in each night, the newest night first.
 * Only the newest `nights` nights count in which witnesses of the cell were counted.
 */
export function witnessesOf(
  history: History,
  cell: string,
  ranOn: string,
  nights: number,
): ReadonlyMap<string, readonly number[]> {
  const byName = new Map<string, number[]>();
  const rows = history.all(
    `SELECT name, per_trial FROM witnesses
     WHERE cell = (SELECT id FROM cells WHERE cell = ?1) AND ran_on = ?2 AND night IN (
       SELECT DISTINCT night FROM witnesses WHERE cell = (SELECT id FROM cells WHERE cell = ?1) AND ran_on = ?2
       ORDER BY night DESC LIMIT ?3)
     ORDER BY night DESC`,
    cell,
    ranOn,
    nights,
  );
  for (const row of rows) {
    const name = String(row['name']);
    byName.set(name, [...(byName.get(name) ?? []), Number(row['per_trial'])]);
  }
  return byName;
}

/**
 * The times, in milliseconds, that a cell took to show the splat `key`: one median for each night, the newest night first. A night
 * counts when the splat was the first splat of one of its trials. At most `nights` nights are returned.
 */
export function firstSightsOf(
  history: History,
  { cell, ranOn, key }: { readonly cell: string; readonly ranOn: string; readonly key: string },
  nights: number,
): readonly number[] {
  return history
    .all(
      `SELECT first_ms FROM sightings WHERE cell = (SELECT id FROM cells WHERE cell = ?) AND ran_on = ?
         AND signature = (SELECT id FROM signatures WHERE key = ?) AND first_ms IS NOT NULL ORDER BY night DESC LIMIT ?`,
      cell,
      ranOn,
      key,
      nights,
    )
    .map((row) => Number(row['first_ms']));
}

/**
 * The name of the last night in which an entry of the file of known issues described a splat. When the entry never described a
 * splat, returns the first night that read the entry. Returns undefined when no night has read the entry. `entry` is JSON.
 */
export function lastMatched(history: History, entry: string): string | undefined {
  const row = history.one(
    'SELECT n.name FROM known_issues k JOIN nights n ON n.id = k.last_night WHERE k.entry = ?',
    entry,
  );
  return row === undefined ? undefined : String(row['name']);
}

import type { History } from './database.ts';

/**
 * A night that is part of the evidence of an open issue. `id` is its row in the table of nights. `runs` are run directories of
 * the night, as paths below the night's folder. In a night that showed the issue, they are the runs with a trial of the cell that
 * names the issue. In `lastPass`, they are all planned runs of the cell.
 */
export interface EvidenceNight {
  readonly id: number;
  readonly night: string;
  /** The night's folder, as an absolute path. */
  readonly dir: string;
  readonly runs: readonly string[];
}

/**
 * The nights that prove an open issue of a cell. `firstFail` and `newestFail` are the first and the newest night that showed the
 * issue; only nights count since the issue was first seen, came back, or changed its rate. `lastPass` is the last night before
 * `firstFail` that ran the cell without showing the issue. A field is null when no night fits.
 */
export interface Evidence {
  /** The splat's signature; empty for an issue without a report, such as silence. */
  readonly signature: string;
  readonly cell: string;
  /** The accelerator, `kvm` or `tcg`. */
  readonly ranOn: string;
  readonly lastPass: EvidenceNight | null;
  readonly firstFail: EvidenceNight | null;
  readonly newestFail: EvidenceNight | null;
}

/** The evidence of all issues that are open. While an issue is open, the runs that prove it are not removed. */
export function evidenceOf(history: History): readonly Evidence[] {
  return history
    .all(
      `SELECT i.cell, i.ran_on, i.since_night, s.id AS signature, s.key, s.title, c.cell AS cell_id
       FROM issues i JOIN signatures s ON s.id = i.signature JOIN cells c ON c.id = i.cell WHERE i.state = 'open'`,
    )
    .map((row) => {
      const cell = Number(row['cell']);
      const ranOn = String(row['ran_on']);
      const key = String(row['key']);
      const where = [cell, ranOn, Number(row['signature'])] as const;
      const hit = (order: 'min' | 'max'): number | undefined =>
        numberIn(
          history.one(
            `SELECT ${order}(night) AS night FROM sightings
             WHERE cell = ? AND ran_on = ? AND signature = ? AND hits > 0 AND night >= ?`,
            ...where,
            Number(row['since_night']),
          ),
        );
      const first = hit('min');
      const newest = hit('max');
      const pass = numberIn(
        history.one(
          `SELECT max(r.night) AS night FROM results r WHERE r.cell = ?1 AND r.ran_on = ?2 AND r.trials > 0 AND r.night < ?4
             AND r.verdict <> 'untestable' AND NOT EXISTS (SELECT 1 FROM sightings g WHERE g.cell = ?1 AND g.ran_on = ?2
               AND g.signature = ?3 AND g.night = r.night AND g.hits > 0)`,
          ...where,
          first ?? 0,
        ),
      );
      return {
        signature: key === row['title'] ? '' : key,
        cell: String(row['cell_id']),
        ranOn,
        lastPass: nightOf(history, pass, cell, ''),
        firstFail: nightOf(history, first, cell, key),
        newestFail: nightOf(history, newest, cell, key),
      };
    });
}

function numberIn(row: ReturnType<History['one']>): number | undefined {
  return row?.['night'] == null ? undefined : Number(row['night']);
}

/**
 * A night with the runs of one cell in it: those with a trial that names the splat `key`, or all planned runs when `key` is
 * empty.
 */
function nightOf(
  history: History,
  night: number | undefined,
  cell: number,
  key: string,
): EvidenceNight | null {
  const found =
    night === undefined
      ? undefined
      : history.one('SELECT id, name, dir FROM nights WHERE id = ?', night);
  if (found === undefined) return null;
  const id = Number(found['id']);
  const runs = history
    .all(
      `SELECT DISTINCT run FROM trials WHERE night = ? AND cell = ? AND (? = '' OR instr(facts, ?) > 0)
         AND (? <> '' OR purpose = 'plan') ORDER BY run`,
      id,
      cell,
      key,
      JSON.stringify(key).slice(1, -1),
      key,
    )
    .map((row) => String(row['run']));
  return { id, night: String(found['name']), dir: String(found['dir']), runs };
}

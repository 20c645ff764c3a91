import { isPass } from './cell-nights.ts';
import type { History } from './database.ts';

/**
 * A night that is evidence about an open issue (a splat of a cell). `id` is the night's row in the table of nights. `runs` are run
 * directories, as paths below the night's folder. In a night that showed the splat, they are the runs that have a trial with this
 * splat. In the night of `lastPass`, which did not show the splat, they are all planned runs of the cell.
 */
export interface EvidenceNight {
  readonly id: number;
  readonly night: string;
  /** The absolute path of the night's folder. */
  readonly dir: string;
  readonly runs: readonly string[];
}

/**
 * The nights that prove an open issue: a splat of a cell (one combination of kernel, guest and workload). `firstFail` and
 * `newestFail` are the first and the newest night that showed the splat, since it was first seen, came back, or changed its rate.
 * `lastPass` is the last night before `firstFail` in which a trial of the cell could have shown the splat, and none did. A field
 * is null when there is no such night.
 */
export interface Evidence {
  /** The splat's signature; empty for a splat without a report, such as silence. */
  readonly signature: string;
  readonly cell: string;
  /** The accelerator on which the cell's guests ran, `kvm` or `tcg`. */
  readonly ranOn: string;
  readonly lastPass: EvidenceNight | null;
  readonly firstFail: EvidenceNight | null;
  readonly newestFail: EvidenceNight | null;
}

/**
 * Returns, for every open issue (a splat of a cell), the nights and runs that prove it. As long as the issue is open, these runs
 * are not removed.
 */
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
          `SELECT max(r.night) AS night FROM results r WHERE r.cell = ?1 AND r.ran_on = ?2 AND ${isPass} AND r.night < ?4
             AND NOT EXISTS (SELECT 1 FROM sightings g WHERE g.cell = ?1 AND g.ran_on = ?2
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
 * A night, with those runs of a cell that have a trial with the splat `key`. When `key` is empty: with all planned runs of the
 * cell.
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

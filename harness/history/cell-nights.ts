import type { History, Row } from './database.ts';

/** An earlier night that ran a cell, and the kernel on which the cell ran. */
export interface RanNight {
  readonly night: string;
  readonly sha: string | null;
  readonly source: string | null;
  readonly kernelId: string | null;
}

/**
 * An earlier night in which the workload of a cell came to an end. `ran` is false when the workload reported in every trial that
 * it cannot run on the kernel.
 */
export interface TriedNight {
  readonly night: string;
  readonly ran: boolean;
}

/**
 * SQL about the row `r` of the table of results: true for a night that proves something about splats that it does not show. At
 * least one trial of the cell was clean, apart from known splats, and no control was missed. A trial that was blind, unexercised,
 * hung or not run is no such proof. Neither is a trial on the last good kernel (`good`), which is the kernel of an earlier night.
 */
export const isPass = `r.trials > 0 AND r.because <> 'canary-missed' AND (r.verdict = 'clean' OR EXISTS (
  SELECT 1 FROM trials p WHERE p.night = r.night AND p.cell = r.cell AND p.purpose <> 'good' AND p.verdict = 'clean'))`;

/** The last closed night of a cell for whose row `r` of the table of results the SQL `condition` is true. */
export function lastNight(
  history: History,
  cell: number,
  ranOn: string | null,
  condition: string,
): RanNight | undefined {
  const row = history.one(
    `SELECT n.name, r.sha, r.source, r.kernel FROM results r JOIN nights n ON n.id = r.night
     WHERE r.cell = ? AND r.ran_on = coalesce(?, r.ran_on) AND ${condition} AND n.state = 'closed'
     ORDER BY r.night DESC LIMIT 1`,
    cell,
    ranOn,
  );
  if (row === undefined) return undefined;
  return {
    night: String(row['name']),
    sha: textOrNull(row['sha']),
    source: textOrNull(row['source']),
    kernelId: textOrNull(row['kernel']),
  };
}

/** The last closed night in which the workload of a cell came to an end in a trial. Undefined when there is no such night. */
export function triedIn(
  history: History,
  cell: number,
  ranOn: string | null,
): TriedNight | undefined {
  const end = "json_extract(t.facts, '$.end.kind')";
  const ended = `SELECT 1 FROM trials t WHERE t.night = r.night AND t.cell = r.cell AND t.purpose <> 'good' AND ${end}`;
  const row = history.one(
    `SELECT n.name, EXISTS (${ended} <> 'skipped') AS ran FROM results r JOIN nights n ON n.id = r.night
     WHERE r.cell = ? AND r.ran_on = coalesce(?, r.ran_on) AND EXISTS (${ended} IS NOT NULL) AND n.state = 'closed'
     ORDER BY r.night DESC LIMIT 1`,
    cell,
    ranOn,
  );
  return row === undefined
    ? undefined
    : { night: String(row['name']), ran: Number(row['ran']) === 1 };
}

/** A value of a row as text; null for a missing value. */
export function textOrNull(value: Row[string] | undefined): string | null {
  return value == null ? null : String(value);
}

import { textOrNull } from './cell-nights.ts';
import type { History } from './database.ts';

/** The last try of a night to run a cell, and the time that the cell's trials take. A plan is made from these facts. */
export interface CellCost {
  /** The last night that tried to run the cell, whether it got a result or not. */
  readonly night: string;
  readonly sha: string | null;
  /** The mean time of a trial, from the newest night with trials of the cell. Null when no trial of the cell has ever ended. */
  readonly msPerTrial: number | null;
  /**
   * True when the cell has an open splat that some of its trials show and others do not. False when the last try gave no trial.
   */
  readonly flaky: boolean;
  /** True when the budget of the last night that tried ended while the cell's kernel was built or booted. */
  readonly spent: boolean;
}

/** Returns the cost of a cell, for the next plan. Returns undefined when no night has tried to run the cell. */
export function costOf(history: History, cell: string): CellCost | undefined {
  const newest = (where: string) =>
    history.one(
      `SELECT n.name, r.class, r.sha, r.total_ms, r.trials, c.id FROM results r JOIN cells c ON c.id = r.cell
         JOIN nights n ON n.id = r.night
       WHERE c.cell = ? AND ${where} ORDER BY r.night DESC LIMIT 1`,
      cell,
    );
  const tried = newest('r.tried = 1');
  if (tried === undefined) return undefined;
  const gave = Number(tried['trials']) > 0;
  const ran = gave ? tried : newest('r.trials > 0');
  return {
    night: String(tried['name']),
    sha: textOrNull(tried['sha']),
    msPerTrial: ran === undefined ? null : Number(ran['total_ms']) / Number(ran['trials']),
    flaky: gave && isFlaky(history, Number(tried['id'])),
    spent: !gave && tried['class'] === 'notRun',
  };
}

function isFlaky(history: History, cell: number): boolean {
  const row = history.one(
    `SELECT 1 FROM issues i JOIN sightings g ON g.cell = i.cell AND g.ran_on = i.ran_on AND g.signature = i.signature
     WHERE i.cell = ? AND i.state = 'open' AND g.night >= i.since_night AND g.hits < g.trials LIMIT 1`,
    cell,
  );
  return row !== undefined;
}

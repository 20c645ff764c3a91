import { dirname, join } from 'node:path';
import type { NightItem, NightRecord } from '../records/night.ts';
import type { NightRow } from '../records/night-row.ts';
import type { IssuePast, NightPast } from '../report/page/night-page-input.ts';
import { readNight } from './nights-index.ts';

/** The number of earlier nights that the page of a night shows. */
const shownNights = 30;

/**
 * Returns the results of earlier nights for the cells and splats of this night. Reads the folders of nights beside this night's
 * folder. Returns null when there are no earlier nights.
 */
export async function findPast(
  dir: string,
  night: NightRecord,
  rows: readonly NightRow[],
): Promise<NightPast | null> {
  const before = rows.filter((row) => row.kept && row.night < night.night).slice(-shownNights);
  const nights: NightRecord[] = [];
  for (const { folder } of before) {
    const one = await readNight(join(dirname(dir), folder));
    if (one !== undefined) nights.push(one);
  }
  if (nights.length === 0) return null;
  nights.push(night);
  const items = [night.new, night.back, night.rateChanged, night.gone].flat();
  return {
    cells: night.cells.map(({ id }) => ({
      cell: id,
      nights: nights.flatMap((one) => {
        const cell = one.cells.find((other) => other.id === id);
        if (cell === undefined) return [];
        const { class: kind, trials, durationMs: totalMs, firstSplatMs } = cell;
        return [{ night: one.night, class: kind, trials: trials.length, totalMs, firstSplatMs }];
      }),
    })),
    issues: items.map((item) => pastOf(item, nights)),
  };
}

function pastOf({ cell, signature = '', title = '' }: NightItem, nights: NightRecord[]): IssuePast {
  return {
    cell,
    signature: signature || title,
    nights: nights.flatMap(({ night, cells }) => {
      const found = cells.find(({ id }) => id === cell);
      if (found === undefined) return [];
      const seen = found.splats.find((one) =>
        signature === '' ? one.title === title : one.signature === signature,
      );
      return [{ night, hits: seen?.hits ?? 0, trials: found.trials.length }];
    }),
  };
}

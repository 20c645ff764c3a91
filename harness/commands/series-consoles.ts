import { basename, dirname, join } from 'node:path';
import { readRecord } from '../host/record-file.ts';
import type { ReportedSuspect, SeriesReport } from '../records/series.ts';
import { type TrialResult, trialRecordSchema } from '../records/trial.ts';
import type { PlaceOf, SeenSuspect } from '../report/page/series-head.ts';
import { writeConsolePages } from './console-pages.ts';

/**
 * Writes pages for the consoles of a series that show splats. Returns a function that returns the place of a splat on these pages,
 * or undefined for a splat that is on no page.
 */
export async function writeSeriesConsoles(
  dir: string,
  { base, patches }: SeriesReport,
): Promise<PlaceOf> {
  const splats: readonly SeenSuspect[] = [
    ...base.splats,
    ...patches.flatMap((patch): readonly ReportedSuspect[] => patch.splats),
  ];
  const folders = new Set(
    splats.flatMap(({ seenIn }) => (dirname(seenIn ?? '') === 'trials' ? [seenIn ?? ''] : [])),
  );
  const trials = new Map<string, TrialResult>();
  for (const folder of folders) {
    // An old or damaged record only means that links are missing.
    const trial = await readRecord(join(dir, folder, 'trial.json'), trialRecordSchema).catch(
      () => undefined,
    );
    if (trial !== undefined) trials.set(folder, trial);
  }
  const consoles = await writeConsolePages(
    dir,
    [...trials].map(([folder, trial]) => ({
      folder: basename(folder),
      marks: trial.splats.filter(({ line }) => line > 0),
    })),
  );
  return ({ seenIn = '', signature, title }) => {
    const folder = basename(seenIn);
    const lines = consoles.get(folder);
    const seen = trials
      .get(seenIn)
      ?.splats.find((one) => one.signature === signature && one.title === title);
    return lines === undefined || seen === undefined
      ? undefined
      : { folder, lines, line: seen.line };
  };
}

import { stat } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { readIfThere } from '../host/disk.ts';
import { typedCommand } from '../host/package-root.ts';
import { commandLine } from '../host/process.ts';
import { readRecord } from '../host/record-file.ts';
import type { NightItem, NightRecord } from '../records/night.ts';
import type { NightRow } from '../records/night-row.ts';
import { type RunResult, runResultSchema } from '../records/run-result.ts';
import { consolePlace } from '../report/page/console-page.ts';
import { formatNightPage } from '../report/page/night-page.ts';
import { type NightReport, nightLink, reportKey } from '../report/page/night-page-input.ts';
import { findPast } from './earlier-nights.ts';
import { isInside } from './inside-file.ts';
import { findTrialFolders, readPicture, replayCommand } from './run-page.ts';

/**
 * The largest result.json that is read for the page of a night, in bytes. One run of a night has the trials of all cells that
 * differ only in their workload.
 */
const largestShownBytes = 16 * 1024 * 1024;

/** Returns the HTML page of the night in this folder. The page lacks what was removed from the night's runs. */
export async function formatNightAt(
  dir: string,
  night: NightRecord,
  { cwd, rows }: { readonly cwd: string; readonly rows: readonly NightRow[] },
): Promise<string> {
  return formatNightPage({
    night,
    past: await findPast(dir, night, rows),
    reproduce: (run, trial) => replayCommand(join(dir, run), trial, cwd),
    cellCommand: (cell) =>
      commandLine(typedCommand(), ['nightly', night.matrix.file, '--cell', cell]),
    reports: await findReports(dir, night),
    index: rows.length === 0 ? null : '../index.html',
  });
}

async function findReports(
  dir: string,
  night: NightRecord,
): Promise<ReadonlyMap<string, NightReport>> {
  const lists = [night.new, night.back, night.broken, night.rateChanged, night.inconclusive];
  const found = new Map<string, NightReport>();
  const results = new Map<string, RunResult | undefined>();
  for (const item of lists.flat()) {
    if (item.title === undefined) continue;
    for (const run of runsOf(item, night)) {
      if (!results.has(run)) results.set(run, await readResult(dir, run));
      const report = await findReport(dir, run, results.get(run), item, night);
      if (report === undefined) continue;
      found.set(reportKey(item), report);
      break;
    }
  }
  return found;
}

/** The run directories that may have the report of an item's splat. The run that the item names comes first. */
function runsOf(item: NightItem, { cells }: NightRecord): ReadonlySet<string> {
  const trials = cells.find(({ id }) => id === item.cell)?.trials ?? [];
  return new Set([...(item.run === undefined ? [] : [item.run]), ...trials.map(({ run }) => run)]);
}

/**
 * The result of a run of the night. Undefined when the result cannot be read. A night may be untrusted, so its runs are only
 * searched inside its folder.
 */
async function readResult(dir: string, run: string): Promise<RunResult | undefined> {
  if (relative(dir, join(dir, run)).startsWith('..') || !(await isInside(dir, run))) {
    return undefined;
  }
  const file = join(dir, run, 'result.json');
  return readRecord(file, runResultSchema, largestShownBytes).catch(() => undefined);
}

async function findReport(
  dir: string,
  run: string,
  result: RunResult | undefined,
  item: NightItem,
  night: NightRecord,
): Promise<NightReport | undefined> {
  if (result === undefined) return undefined;
  const workload = night.cells.find(({ id }) => id === item.cell)?.workload;
  for (const { id, workload: own, splats } of result.trials) {
    if (workload !== undefined && own !== workload) continue;
    const splat = splats.find(({ signature, title }) =>
      item.signature ? signature === item.signature : title === item.title,
    );
    if (splat === undefined) continue;
    const [folder = ''] = (await findTrialFolders(join(dir, run), result)).get(id) ?? [];
    const picture = await readPicture(join(dir, run), join('trials', folder, 'screen.png'));
    const console = await consoleLink(dir, join(run, 'trials', folder), splat.line);
    return { run, trial: id, splat, console, picture: picture ?? null };
  }
  return undefined;
}

async function consoleLink(dir: string, folder: string, line: number): Promise<string | null> {
  const place = consolePlace(line, Number.MAX_SAFE_INTEGER);
  const page = await readIfThere(stat(join(dir, folder, place?.split('#')[0] ?? '')));
  return place === null || page?.isFile() !== true ? null : `${nightLink(folder)}/${place}`;
}

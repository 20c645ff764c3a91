import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { readIfThere, writeWhole } from '../host/disk.ts';
import { readRecord } from '../host/record-file.ts';
import { readRegular } from '../host/regular-file.ts';
import { type NightRecord, nightSchema } from '../records/night.ts';
import { type NightRow, nightRowSchema } from '../records/night-row.ts';
import { checkValue } from '../records/schema.ts';
import { formatNightsPage, nightsPageName, nightsPerPage } from '../report/page/nights-page.ts';

export const rowsFile = 'nights.jsonl';
/** The number of splat titles that are kept for a night: few, because a page shows a hundred nights. */
const mostNews = 3;
/** The largest night.json that is read, in bytes. The file of a night with thousands of cells is smaller. */
const largestNightBytes = 64 * 1024 * 1024;

/**
 * Writes the pages over all nights whose folders are in `dir`. index.html has the newest nights. The file nights.jsonl keeps one
 * row for each night, with the facts that the pages show, so that each night.json is read only once. A page that did not change is
 * not written. Resolves to the rows, the oldest night first.
 */
export async function writeNightsIndex(dir: string): Promise<readonly NightRow[]> {
  const names = await readdir(dir);
  const there = new Set(names);
  const known = await readRows(dir);
  const kept = known.map((row) => ({ ...row, kept: there.has(row.folder) }));
  const seen = new Set(known.map(({ folder }) => folder));
  const fresh: NightRow[] = [];
  for (const folder of names) {
    if (seen.has(folder)) continue;
    const row = await readRow(dir, folder);
    if (row !== undefined) fresh.push(row);
  }
  const rows = [...kept, ...fresh].toSorted((one, other) => (one.night < other.night ? -1 : 1));
  const isSame = (row: NightRow, at: number): boolean =>
    known[at]?.folder === row.folder && known[at]?.kept === row.kept;
  // A night that was removed changes one page. A night that was added between others changes its own page and all later pages.
  const changed = new Set(
    rows.flatMap((row, at) => (isSame(row, at) ? [] : [Math.floor(at / nightsPerPage)])),
  );
  await writeWhole(join(dir, rowsFile), rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  const newest = Math.max(0, Math.ceil(rows.length / nightsPerPage) - 1);
  for (let page = 0; page < newest; page += 1) {
    const file = nightsPageName(page + 1);
    // The last of these pages may have been the newest page until now.
    if (page < newest - 1 && !changed.has(page) && there.has(file)) continue;
    await writeWhole(join(dir, file), formatNightsPage(rowsOf(rows, page), placeOf(page, false)));
  }
  const index = formatNightsPage(rowsOf(rows, newest), placeOf(newest, true));
  // The newest page also gets its final name, because the page before links to that name.
  await writeWhole(join(dir, nightsPageName(newest + 1)), index);
  await writeWhole(join(dir, 'index.html'), index);
  return rows;
}

function placeOf(
  page: number,
  newest: boolean,
): { readonly page: number; readonly newest: boolean } {
  return { page: page + 1, newest };
}

/** The nights of one page, the newest first. */
function rowsOf(rows: readonly NightRow[], page: number): readonly NightRow[] {
  return rows.slice(page * nightsPerPage, (page + 1) * nightsPerPage).toReversed();
}

/** The largest nights.jsonl that is read, in bytes. A row has less than 1 KiB. */
const largestRowsBytes = 256 * 1024 * 1024;

/** Reads the rows of nights.jsonl. A line that cannot be read is left out, and the night's record is then read again. */
async function readRows(dir: string): Promise<readonly NightRow[]> {
  const text =
    (await readIfThere(readRegular(join(dir, rowsFile), { largestBytes: largestRowsBytes }))) ?? '';
  return String(text)
    .split('\n')
    .flatMap((line) => {
      try {
        const checked = checkValue(nightRowSchema, JSON.parse(line));
        return checked.isRight ? [checked.value] : [];
      } catch {
        return [];
      }
    });
}

async function readRow(dir: string, folder: string): Promise<NightRow | undefined> {
  const night = await readNight(join(dir, folder));
  if (night === undefined) return undefined;
  const classes: Record<string, number> = {};
  for (const cell of night.cells) classes[cell.class] = (classes[cell.class] ?? 0) + 1;
  const { verdict, exitCode, endedAt, cells } = night;
  const told = [night.new, night.back, night.broken].flat();
  const titles = told.flatMap(({ title, because }) => title ?? because ?? []);
  const news = [...new Set(titles)].slice(0, mostNews).map((one) => one.slice(0, 200));
  return {
    folder,
    night: night.night,
    endedAt,
    verdict: verdict.kind,
    ...(verdict.because === undefined ? {} : { because: verdict.because }),
    exitCode,
    cells: cells.length,
    classes,
    ...(news.length === 0 ? {} : { news }),
    kept: true,
  };
}

/** Reads the record in a night's folder. Returns undefined for another folder, and for a damaged record. */
export async function readNight(dir: string): Promise<NightRecord | undefined> {
  const file = join(dir, 'night.json');
  return readRecord(file, nightSchema, largestNightBytes).catch(() => undefined);
}

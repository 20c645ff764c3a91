import { lstat, readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { HarnessError } from '../errors.ts';
import { readIfThere, writeWhole } from '../host/disk.ts';
import { readRecordAt } from '../host/record-file.ts';
import { nightSchema } from '../records/night.ts';
import type { NightRow } from '../records/night-row.ts';
import { formatNightAt } from './night-page.ts';
import { rowsFile, writeNightsIndex } from './nights-index.ts';

/** The largest record of a night that is shown, in bytes. Such a record has some 20,000 cells. */
const largestShownBytes = 64 * 1024 * 1024;

export async function isThere(path: string): Promise<boolean> {
  return (await readIfThere(lstat(path))) !== undefined;
}

/** True when the folder contains nights, or contained nights before. */
export async function holdsNights(dir: string): Promise<boolean> {
  if (await isThere(join(dir, rowsFile))) return true;
  if (await isThere(join(dir, 'run.json'))) return false;
  for (const name of await readdir(dir).catch(() => [])) {
    if (await isThere(join(dir, name, 'night.json'))) return true;
  }
  return false;
}

/**
 * Writes the page of a night. Also writes the pages over all nights, if `inIndex` is true or if the parent folder already has such
 * pages. Resolves to the file of the night's page. Throws `usage` for a folder without night.json.
 */
export async function reportNight(
  dir: string,
  cwd: string,
  { inIndex }: { readonly inIndex: boolean } = { inIndex: false },
): Promise<string> {
  const parent = dirname(dir);
  const isIndexed = inIndex || (await isThere(join(parent, rowsFile)));
  const rows = isIndexed ? await writeNightsIndex(parent) : [];
  return writeNightPage(dir, cwd, rows);
}

/**
 * Writes the pages over all nights whose folders are in `dir`, and the page of each night that has no page. Resolves to the path
 * of index.html.
 */
export async function reportNights(dir: string, cwd: string): Promise<string> {
  const rows = await writeNightsIndex(dir);
  for (const { folder, kept } of rows) {
    if (kept && !(await isThere(join(dir, folder, 'night.html')))) {
      await writeNightPage(join(dir, folder), cwd, rows);
    }
  }
  return join(dir, 'index.html');
}

async function writeNightPage(
  dir: string,
  cwd: string,
  rows: readonly NightRow[],
): Promise<string> {
  const night = await readRecordAt(join(dir, 'night.json'), nightSchema, largestShownBytes);
  if (night === undefined) throw new HarnessError('usage', `${dir} has no night.json`);
  const file = join(dir, 'night.html');
  await writeWhole(file, await formatNightAt(dir, night, { cwd, rows }));
  return file;
}

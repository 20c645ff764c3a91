import type { Dirent } from 'node:fs';
import { lstat, readdir, rm, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { counted } from '../../counted.ts';
import type { History } from '../../history/database.ts';
import { evidenceOf } from '../../history/evidence.ts';
import { nightsSince, type StoredNight } from '../../history/nights.ts';
import { readIfThere } from '../../host/disk.ts';
import { readRecord } from '../../host/record-file.ts';
import { outlived } from '../../night/retention.ts';
import type { Retention } from '../../records/matrix.ts';
import { nightSchema } from '../../records/night.ts';
import { isMarked, markFile } from './night-mark.ts';

/**
 * The names of what splat writes into a night's folder, besides `console-N.html`. Anything else in the folder is never removed.
 */
const ours = new Set([
  'runs',
  'failures',
  'bisect',
  markFile,
  'events.jsonl',
  'night.json',
  'night.html',
  'summary.md',
  'junit.xml',
  'results.tap',
  'kcidb.json',
]);

/**
 * Removes the files of earlier nights, as the matrix's `retention` says. Four things are never removed: runs that show an open
 * splat for the first or the newest time; runs of the last night without that splat; a night that runs or may be continued;
 * and a folder that does not itself name a night of this history. Returns a line that says what was removed; undefined when
 * nothing was removed.
 */
export async function retainNights(
  history: History,
  retention: Retention,
  { current, nowMs }: { readonly current: number; readonly nowMs: number },
): Promise<string | undefined> {
  const evidence = runsToKeep(history);
  const folders = [];
  for (const night of nightsSince(history, 0)) {
    if (night.id === current || night.state === 'open' || !(await isOurs(night))) continue;
    const runs = evidence.get(night.dir) ?? new Set<string>();
    let evidenceBytes = 0;
    for (const run of runs) evidenceBytes += await bytesBelow(join(night.dir, run));
    const bytes = await bytesBelow(night.dir);
    folders.push({ ...night, runs, bytes, evidenceBytes });
  }
  const gone = outlived(folders, retention, nowMs);
  let [removed, freed, kept] = [0, 0, 0];
  for (const { id, dir, runs, bytes } of folders) {
    if (!gone.has(id)) continue;
    await removeNight(dir, runs);
    const left = await bytesBelow(dir);
    if (left < bytes) removed += 1;
    freed += bytes - left;
    kept += runs.size;
  }
  if (removed === 0) return undefined;
  const size = `${(freed / 2 ** 20).toFixed(0)} MiB`;
  const stays =
    kept === 0
      ? ''
      : `; ${kept === 1 ? '1 run that shows an open splat stays' : `${kept} runs that show open splats stay`}`;
  return `retention: ${size} of ${counted(removed, 'night')} were removed${stays}`;
}

/** The runs that prove an open splat, for each night's folder: their paths below the folder. */
function runsToKeep(history: History): ReadonlyMap<string, ReadonlySet<string>> {
  const kept = new Map<string, Set<string>>();
  for (const { lastPass, firstFail, newestFail } of evidenceOf(history)) {
    for (const one of [lastPass, firstFail, newestFail]) {
      if (one === null) continue;
      const runs = kept.get(one.dir) ?? new Set();
      for (const run of one.runs) runs.add(run);
      kept.set(one.dir, runs);
    }
  }
  return kept;
}

/**
 * True when the folder says itself that it is the folder of this night. A history may come from a stranger and name any folder, so
 * its word is no proof. The folder of an imported run belongs to the user, and says nothing of a night.
 */
async function isOurs({ dir, name }: StoredNight): Promise<boolean> {
  if ((await readIfThere(lstat(dir)))?.isDirectory() !== true) return false;
  const record = await readRecord(join(dir, 'night.json'), nightSchema).catch(() => undefined);
  if (record !== undefined) return record.night === name;
  // A night that was abandoned has no night.json.
  return isMarked(dir, name).catch(() => false);
}

async function removeNight(dir: string, kept: ReadonlySet<string>): Promise<void> {
  for (const name of await readdir(dir)) {
    if (!ours.has(name) && !/^console-\d+\.html$/.test(name)) continue;
    if (kept.size === 0) await rm(join(dir, name), { recursive: true, force: true });
  }
  if (kept.size === 0) {
    // The folder stays when it has files that splat did not write.
    await rmdir(dir).catch(() => undefined);
    return;
  }
  const runs = join(dir, 'runs');
  if ((await readIfThere(lstat(runs)))?.isDirectory() !== true) return;
  for (const name of await readdir(runs)) {
    if (!kept.has(`runs/${name}`)) await rm(join(runs, name), { recursive: true, force: true });
  }
}

/** The sum of the sizes of all files below a folder; links are not followed. 0 when the folder does not exist. */
async function bytesBelow(dir: string): Promise<number> {
  const entries = (await readIfThere(readdir(dir, { withFileTypes: true }))) ?? [];
  let sum = 0;
  for (const entry of entries) {
    sum += entry.isDirectory()
      ? await bytesBelow(join(dir, entry.name))
      : await bytesOf(dir, entry);
  }
  return sum;
}

async function bytesOf(dir: string, { name }: Dirent): Promise<number> {
  return (await readIfThere(lstat(join(dir, name))))?.size ?? 0;
}

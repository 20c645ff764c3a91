import { readdir, readFile, rm, rmdir, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { HarnessError } from '../../errors.ts';
import type { SharedKind, StoreManifest } from '../../records/store.ts';
import { readIfThere } from '../disk.ts';
import { tryLock } from '../lock.ts';
import { draftsFolder, inUseLock } from './folder-place.ts';
import { type EntryName, entryBytes, peekManifest } from './manifest.ts';

/**
 * A manifest (the signed list of an entry's files) in the folder of a store, and the entry that it names. The signature is not
 * checked here.
 */
export interface StoredEntry {
  readonly kind: SharedKind;
  readonly key: string;
  readonly signer: string;
  /**
   * The total size of the entry's blobs, in bytes; 0 for a damaged manifest. A blob that several entries share counts for each of
   * these entries.
   */
  readonly bytes: number;
  /** The time at which the manifest was last read or written, in milliseconds since 1970. */
  readonly usedAtMs: number;
}

interface ListedManifest extends StoredEntry {
  readonly path: string;
  readonly blobs: ReadonlyMap<string, number>;
}

/**
 * The time, an hour, for which no manifest, blob or draft is removed after its last use. Until then, a host may still be reading
 * the blobs, or may be about to sign a manifest that names them.
 */
const graceMs = 3_600_000;

/**
 * Returns all manifests in the folder of a store, least recently used first. Returns an empty list for a folder without manifests.
 * Throws `usage` when the folder does not exist.
 */
export async function listEntries(dir: string): Promise<readonly StoredEntry[]> {
  return (await listManifests(dir)).map(({ path: _path, blobs: _blobs, ...entry }) => entry);
}

/** What a prune removed, or would remove: the manifests, and the number and total size of the blobs. */
export interface Pruned {
  readonly entries: readonly StoredEntry[];
  readonly blobs: number;
  readonly bytes: number;
}

/**
 * Removes manifests that were not used for `olderThanMs`, then the least recently used manifests until the blobs of the remaining
 * manifests fit into `maxBytes`. An absent limit removes no manifest. Then removes each blob that no remaining manifest names, and
 * the drafts (unfinished files) of writers that died. Files that were used within the last hour stay. With `isDry`, nothing is
 * removed at all. Without `isDry`, throws `infra` while another process uses the folder.
 */
export async function pruneStore(
  dir: string,
  limits: {
    readonly olderThanMs?: number;
    readonly maxBytes?: number;
    readonly nowMs: number;
    readonly isDry: boolean;
  },
  signal: AbortSignal,
): Promise<Pruned> {
  await requireFolder(dir);
  await using lock = await tryLock(inUseLock(dir), { signal });
  if (lock === undefined && !limits.isDry) {
    const message = `another splat process is using ${dir}; nothing was removed`;
    throw new HarnessError('infra', `${message}; try again when that process has ended`);
  }
  // The manifests are listed under the lock, because another process may have used an entry before this process had the lock.
  const manifests = await listManifests(dir);
  const removed = chooseManifests(manifests, limits);
  const kept = manifests.filter((one) => !removed.includes(one));
  const named = new Set(kept.flatMap(({ blobs }) => [...blobs.keys()]));
  if (!limits.isDry) for (const { path } of removed) await removeManifest(path);
  const swept = await sweepBlobs(dir, named, limits);
  if (!limits.isDry) await sweepDrafts(dir, limits.nowMs);
  const entries = removed.map(({ path: _path, blobs: _blobs, ...entry }) => entry);
  return { entries, ...swept };
}

/** Returns the manifests to remove. Pure. */
function chooseManifests(
  manifests: readonly ListedManifest[],
  limits: { readonly olderThanMs?: number; readonly maxBytes?: number; readonly nowMs: number },
): readonly ListedManifest[] {
  const { olderThanMs = Number.POSITIVE_INFINITY, maxBytes = Number.POSITIVE_INFINITY } = limits;
  const users = new Map<string, number>();
  let bytes = 0;
  for (const { blobs } of manifests) {
    for (const [sha256, size] of blobs) {
      if (!users.has(sha256)) bytes += size;
      users.set(sha256, (users.get(sha256) ?? 0) + 1);
    }
  }
  return manifests.filter(({ usedAtMs, blobs }) => {
    const idleMs = limits.nowMs - usedAtMs;
    if (idleMs <= graceMs || !(idleMs > olderThanMs || bytes > maxBytes)) return false;
    for (const [sha256, size] of blobs) {
      const left = (users.get(sha256) ?? 1) - 1;
      users.set(sha256, left);
      if (left === 0) bytes -= size;
    }
    return true;
  });
}

async function removeManifest(path: string): Promise<void> {
  await rm(path, { force: true });
  // rmdir fails, and the folder stays, when the folder has the manifest of another key for the same entry.
  await rmdir(dirname(path)).catch(() => undefined);
}

async function sweepBlobs(
  dir: string,
  named: ReadonlySet<string>,
  { nowMs, isDry }: { readonly nowMs: number; readonly isDry: boolean },
): Promise<{ readonly blobs: number; readonly bytes: number }> {
  let blobs = 0;
  let bytes = 0;
  for (const name of (await readIfThere(readdir(join(dir, 'blobs')))) ?? []) {
    const path = join(dir, 'blobs', name);
    const found = named.has(name) ? undefined : await readIfThere(stat(path));
    // A writer to the folder that finds a blob there updates the blob's times before signing a manifest that names the blob.
    if (found?.isFile() !== true || nowMs - found.mtimeMs <= graceMs) continue;
    if (!isDry) await rm(path, { force: true });
    blobs += 1;
    bytes += found.size;
  }
  return { blobs, bytes };
}

async function sweepDrafts(dir: string, nowMs: number): Promise<void> {
  for (const name of (await readIfThere(readdir(draftsFolder(dir)))) ?? []) {
    const path = join(draftsFolder(dir), name);
    const found = await readIfThere(stat(path));
    if (found?.isFile() === true && nowMs - found.mtimeMs > graceMs)
      await rm(path, { force: true });
  }
}

async function requireFolder(dir: string): Promise<void> {
  if ((await readIfThere(stat(dir)))?.isDirectory() === true) return;
  throw new HarnessError('usage', `the store ${dir} does not exist: no such folder`);
}

async function listManifests(dir: string): Promise<readonly ListedManifest[]> {
  await requireFolder(dir);
  const folder = join(dir, 'manifests');
  const items = await readIfThere(readdir(folder, { recursive: true, withFileTypes: true }));
  const found: ListedManifest[] = [];
  for (const item of items ?? []) {
    if (!item.isFile()) continue;
    const path = join(item.parentPath, item.name);
    const listed = await readListed(path);
    if (listed !== undefined) found.push(listed);
  }
  return found.toSorted((a, b) => a.usedAtMs - b.usedAtMs);
}

/**
 * Reads a manifest. Returns undefined when the manifest was removed meanwhile. A damaged manifest counts as a manifest without
 * blobs, so pruneStore() removes it when it is old.
 */
async function readListed(path: string): Promise<ListedManifest | undefined> {
  const facts = await readIfThere(stat(path));
  if (facts === undefined) return undefined;
  const folder = dirname(path);
  const name = { kind: basename(dirname(folder)) as SharedKind, key: basename(folder) };
  const manifest = peekedManifest(await readFile(path, 'utf8'), name);
  const files = manifest?.files ?? [];
  return {
    ...name,
    signer: basename(path),
    bytes: entryBytes({ files }),
    usedAtMs: facts.mtimeMs,
    path,
    blobs: new Map(files.map(({ sha256, bytes }) => [sha256, bytes])),
  };
}

function peekedManifest(text: string, name: EntryName): StoreManifest | undefined {
  try {
    return peekManifest(text, name).manifest;
  } catch {
    return undefined;
  }
}

import { readdir, rename, rm, rmdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { HarnessError } from '../errors.ts';
import { cacheFolder, cacheFolders, entryFolders, wholeFolders } from './cache-folders.ts';
import { explainDiskError, isCode, makeFolder, readIfThere } from './disk.ts';
import { acquireLock, type LockOptions, tryLock } from './lock.ts';
import { runTool } from './process.ts';

/** A part of the cache that can be removed alone: an entry of the store, a workspace, a compiler cache, or apt's lists. */
export interface StoreItem {
  /** The kind: `source`, `kernel`, `guest`, `checkpoint`, `tool`, `workspace`, `ccache` or `apt`. */
  readonly kind: string;
  /** The name of the folder `dir`. */
  readonly key: string;
  readonly dir: string;
  /** The size on disk, in bytes. A file that a workspace shares with its source by a hard link counts with the source. */
  readonly bytes: number;
  /** The time of the last use, in milliseconds since 1970. */
  readonly usedAtMs: number;
}

/**
 * Marks the cache as used by this process until the result is disposed, with a shared flock(2). A process that removes items takes
 * the same lock exclusively, so no item in use is removed. useStore() waits while items are being removed. Throws `infra` when the
 * cache is not a folder or cannot be locked.
 */
export async function useStore(root: string, options: LockOptions): Promise<AsyncDisposable> {
  await requireRoot(root);
  try {
    return await acquireLock(useLock(root), { ...options, shared: true });
  } catch (error) {
    throw explainDiskError(error, root);
  }
}

/**
 * Locks the cache exclusively until the result is disposed. Returns undefined while any process, this process included, uses
 * the cache.
 */
export async function claimStore(
  root: string,
  signal: AbortSignal,
): Promise<AsyncDisposable | undefined> {
  return tryLock(useLock(root), { signal });
}

function useLock(root: string): string {
  return join(cacheFolder(root, 'locks'), 'in-use');
}

/**
 * Returns all items of the cache, least recently used first. Returns an empty list when the cache does not exist. Throws `infra`
 * when the cache is not a folder.
 */
export async function listStore(root: string, signal: AbortSignal): Promise<readonly StoreItem[]> {
  await requireRoot(root);
  const found: Omit<StoreItem, 'bytes'>[] = [];
  for (const { kind, stamp } of entryFolders) {
    const folder = cacheFolder(root, kind);
    for (const key of (await readIfThere(readdir(folder))) ?? []) {
      const dir = join(folder, key);
      const used = (await readIfThere(stat(join(dir, stamp)))) ?? (await stat(dir));
      found.push({ kind, key, dir, usedAtMs: used.mtimeMs });
    }
  }
  for (const { kind, name, stamp } of wholeFolders) {
    const dir = cacheFolder(root, name);
    const used = (await readIfThere(stat(join(dir, stamp)))) ?? (await readIfThere(stat(dir)));
    if (used !== undefined) found.push({ kind, key: name, dir, usedAtMs: used.mtimeMs });
  }
  const sizes = await diskUse(
    found.map(({ dir }) => dir),
    signal,
  );
  return found
    .map((item) => ({ ...item, bytes: sizes.get(item.dir) ?? 0 }))
    .toSorted((a, b) => a.usedAtMs - b.usedAtMs);
}

/** Throws `infra` when the cache exists and is not a folder. A missing cache is no error. */
async function requireRoot(root: string): Promise<void> {
  const found = await readIfThere(stat(root));
  if (found === undefined || found.isDirectory()) return;
  throw new HarnessError('infra', `the cache ${root} is not a folder; set SPLAT_CACHE to a folder`);
}

/**
 * Returns the sizes of folders in bytes, from du(1). The key is the path. du counts a file with several hard links once, in the
 * first folder that has it, and counts half a million files in seconds.
 */
async function diskUse(
  dirs: readonly string[],
  signal: AbortSignal,
): Promise<ReadonlyMap<string, number>> {
  if (dirs.length === 0) return new Map();
  const flags = ['--summarize', '--null', '--block-size=1', '--'];
  // Exit code 1: a file disappeared while du counted.
  const { stdout } = await runTool('du', [...flags, ...dirs], { signal, okCodes: [0, 1] });
  return new Map(
    stdout.split('\0').flatMap((row) => {
      const [bytes, dir] = row.split('\t');
      return dir === undefined ? [] : [[dir, Number(bytes)] as const];
    }),
  );
}

/**
 * Returns the items to remove: all items that were not used for `olderThanMs`, and then the least recently used items until the
 * remaining items fit into `maxBytes`. An absent limit removes nothing.
 */
export function choosePrunable(
  items: readonly StoreItem[],
  limits: { readonly olderThanMs?: number; readonly maxBytes?: number; readonly nowMs: number },
): readonly StoreItem[] {
  const { olderThanMs = Number.POSITIVE_INFINITY, maxBytes = Number.POSITIVE_INFINITY } = limits;
  let bytes = items.reduce((sum, item) => sum + item.bytes, 0);
  return items
    .toSorted((a, b) => a.usedAtMs - b.usedAtMs)
    .filter((item) => {
      const goes = limits.nowMs - item.usedAtMs > olderThanMs || bytes > maxBytes;
      if (goes) bytes -= item.bytes;
      return goes;
    });
}

/**
 * Removes the items, and all drafts (unfinished entries). While the lock is held, only processes that were killed can have left
 * drafts. The caller must hold the lock of claimStore().
 */
export async function removeItems(root: string, items: readonly StoreItem[]): Promise<void> {
  const drafts = cacheFolder(root, 'drafts');
  try {
    await rm(drafts, { recursive: true, force: true });
    await makeFolder(drafts);
    for (const { kind, key, dir } of items) {
      // The folder is renamed first, so that a kill during the removal leaves no incomplete entry.
      const grave = join(drafts, `${kind}-${key}.removed`);
      await rename(dir, grave);
      await rm(grave, { recursive: true, force: true, maxRetries: 3 });
      await rm(join(cacheFolder(root, 'locks'), `${kind}-${key}`), { force: true });
    }
  } catch (error) {
    throw explainDiskError(error, root);
  }
}

/**
 * Removes the folders of the cache, with its locks, and the cache itself if nothing else is in it. Returns the names of files and
 * folders that do not belong to the cache and therefore stay. The caller must hold the lock of claimStore().
 */
export async function removeCache(root: string): Promise<readonly string[]> {
  try {
    for (const name of cacheFolders) {
      await rm(cacheFolder(root, name), { recursive: true, force: true, maxRetries: 3 });
    }
    const left = (await readIfThere(readdir(root))) ?? [];
    if (left.length > 0) return left;
    await readIfThere(rmdir(root)).catch((error: unknown) => {
      // After the locks were removed, another process can have begun to use the cache.
      if (!isCode(error, 'ENOTEMPTY')) throw error;
    });
    return left;
  } catch (error) {
    throw explainDiskError(error, root);
  }
}

import { readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { HarnessError } from '../errors.ts';
import { cacheFolder, entryFolders, wholeFolders } from './cache-folders.ts';
import { explainDiskError, makeFolder, readIfThere } from './disk.ts';
import { acquireLock, type LockOptions, tryLock } from './lock.ts';
import { runTool } from './process.ts';

/** One thing of the cache that can be removed by itself: an entry of the store, a workspace, a compiler's cache, or apt's lists. */
export interface StoreItem {
  /** `kernel`, `source`, `workspace`: the folder of the cache it is in. */
  readonly kind: string;
  readonly key: string;
  readonly dir: string;
  /** On the disk. What a workspace shares with its source by hard links is counted with the source. */
  readonly bytes: number;
  /** When somebody last found it of use, in milliseconds since 1970. */
  readonly usedAtMs: number;
}

/**
 * Says that this process uses the cache, until disposed or dead: an flock(2) that all users share. Who removes things
 * takes it exclusively, so nothing is ever removed under a user's feet, and no user can begin in the middle.
 */
export async function useStore(root: string, options: LockOptions): Promise<AsyncDisposable> {
  await requireRoot(root);
  try {
    return await acquireLock(useLock(root), { ...options, shared: true });
  } catch (error) {
    throw explainDiskError(error, root);
  }
}

/** The cache for oneself, or undefined while anybody uses it. */
export async function claimStore(
  root: string,
  signal: AbortSignal,
): Promise<AsyncDisposable | undefined> {
  return tryLock(useLock(root), { signal });
}

function useLock(root: string): string {
  return join(cacheFolder(root, 'locks'), 'in-use');
}

/** Everything in the cache, least recently used first. Throws `infra` when it is no folder. */
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

/** One that is not there is empty. */
async function requireRoot(root: string): Promise<void> {
  const found = await readIfThere(stat(root));
  if (found === undefined || found.isDirectory()) return;
  throw new HarnessError('infra', `the cache ${root} is no folder; SPLAT_CACHE names another`);
}

/** du(1) counts a file once however many of the folders link to it, and half a million of them in seconds. */
async function diskUse(
  dirs: readonly string[],
  signal: AbortSignal,
): Promise<ReadonlyMap<string, number>> {
  if (dirs.length === 0) return new Map();
  const flags = ['--summarize', '--null', '--block-size=1', '--'];
  // 1: something went away while it was counted.
  const { stdout } = await runTool('du', [...flags, ...dirs], { signal, okCodes: [0, 1] });
  return new Map(
    stdout.split('\0').flatMap((row) => {
      const [bytes, dir] = row.split('\t');
      return dir === undefined ? [] : [[dir, Number(bytes)] as const];
    }),
  );
}

/** Which items go by age, and which further ones, least recently used first, so that the rest fits into `maxBytes`. */
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

/** Removes the items, and what killed makers and removers left; only with the store claimed. */
export async function removeItems(root: string, items: readonly StoreItem[]): Promise<void> {
  const drafts = cacheFolder(root, 'drafts');
  try {
    await rm(drafts, { recursive: true, force: true });
    await makeFolder(drafts);
    for (const { kind, key, dir } of items) {
      // Renamed first: killed half-way, it leaves no half of an entry where entries are.
      const grave = join(drafts, `${kind}-${key}.removed`);
      await rename(dir, grave);
      await rm(grave, { recursive: true, force: true, maxRetries: 3 });
      await rm(join(cacheFolder(root, 'locks'), `${kind}-${key}`), { force: true });
    }
  } catch (error) {
    throw explainDiskError(error, root);
  }
}

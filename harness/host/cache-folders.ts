import { join } from 'node:path';

/** The names of the cache's folders, for the code that creates them and the code that lists and prunes them. */

/**
 * Folders with one subfolder for each entry. The time of the file `stamp` is the time of the entry's last use. Sizes are counted in
 * this order: sources come before the workspaces that share files with them.
 */
export const entryFolders = [
  { kind: 'source', stamp: 'entry.json' },
  { kind: 'kernel', stamp: 'entry.json' },
  { kind: 'guest', stamp: 'entry.json' },
  { kind: 'checkpoint', stamp: 'entry.json' },
  { kind: 'tool', stamp: 'entry.json' },
  { kind: 'workspace', stamp: 'state.json' },
] as const;

/**
 * Folders that are a single entry. Compilers that run as nobody use `ccache`, compilers of a user other than root `ccache-self`,
 * because a user cannot replace files that another user's compilers wrote.
 */
export const wholeFolders = [
  { kind: 'ccache', name: 'ccache', stamp: 'tmp' },
  { kind: 'ccache', name: 'ccache-self', stamp: 'tmp' },
  { kind: 'apt', name: 'apt', stamp: 'read.json' },
] as const;

/**
 * Small folders: locks, unfinished entries, digests of working trees, the numbers of objects in earlier builds, and the counts of
 * the last coverage runs.
 */
const workFolders = ['locks', 'drafts', 'digests', 'totals', 'coverage'] as const;

/** The kind of a cache entry that has its own folder. */
type EntryKind = (typeof entryFolders)[number]['kind'];

type CacheFolder = EntryKind | (typeof wholeFolders)[number]['name'] | (typeof workFolders)[number];

/** Every folder of the cache; the cache holds nothing else. */
export const cacheFolders: readonly CacheFolder[] = [
  ...entryFolders.map(({ kind }) => kind),
  ...wholeFolders.map(({ name }) => name),
  ...workFolders,
];

/** The path of a folder of the cache at `root`. */
export function cacheFolder(root: string, name: CacheFolder): string {
  return join(root, name);
}

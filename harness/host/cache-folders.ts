import { join } from 'node:path';

/** The names of the folders in the cache, for the code that creates them and for the code that lists and prunes them. */

/**
 * Folders of the cache that have a subfolder for each entry. The modification time of the file `stamp` in the subfolder says when
 * the entry was last used. Sizes are counted in this order, so a file that a source and a workspace share is counted as part of
 * the source.
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
 * Folders of the cache that are a single entry each. Compilers that run as the user `nobody`, because splat runs as root, use
 * `ccache`. Compilers that run as splat's user use `ccache-self`. There are two folders because a user cannot replace files that
 * another user's compilers wrote.
 */
export const wholeFolders = [
  { kind: 'ccache', name: 'ccache', stamp: 'tmp' },
  { kind: 'ccache', name: 'ccache-self', stamp: 'tmp' },
  { kind: 'apt', name: 'apt', stamp: 'read.json' },
] as const;

/**
 * Small folders of the cache. They hold unfinished entries (`drafts`), digests of working trees, the numbers of objects in earlier
 * builds (`totals`), the counts of the last coverage runs, and locks.
 */
const workFolders = ['drafts', 'digests', 'totals', 'coverage', 'locks'] as const;

/** The name of a folder of the cache that has a subfolder for each entry. */
type EntryFolder = (typeof entryFolders)[number]['kind'];

type CacheFolder =
  | EntryFolder
  | (typeof wholeFolders)[number]['name']
  | (typeof workFolders)[number];

/**
 * Every folder of the cache; the cache holds nothing else. The locks are last: while the cache is removed, no other process can
 * begin to use the cache before all other folders are gone.
 */
export const cacheFolders: readonly CacheFolder[] = [
  ...entryFolders.map(({ kind }) => kind),
  ...wholeFolders.map(({ name }) => name),
  ...workFolders,
];

/** Returns the path of a folder of the cache at `root`. */
export function cacheFolder(root: string, name: CacheFolder): string {
  return join(root, name);
}

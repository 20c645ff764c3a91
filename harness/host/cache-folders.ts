import { join } from 'node:path';

/** The folders of the cache: who makes one, and who lists and prunes them, take their names from here. */

/**
 * Folders whose subfolders are things by themselves, each with a file whose time is that of its last use. In the order of
 * counting: sources before the workspaces that share files with them.
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
 * Folders that are one thing each. What one user's compilers wrote another cannot replace: those that run as nobody have
 * `ccache`, those of a user that is not root `ccache-self`.
 */
export const wholeFolders = [
  { kind: 'ccache', name: 'ccache', stamp: 'tmp' },
  { kind: 'ccache', name: 'ccache-self', stamp: 'tmp' },
  { kind: 'apt', name: 'apt', stamp: 'read.json' },
] as const;

/** Folders of a few kilobytes: locks, what is being made, and how many objects a build had. */
const workFolders = ['locks', 'drafts', 'totals'] as const;

/** The kind of a thing in the cache that is a folder of its own. */
type EntryKind = (typeof entryFolders)[number]['kind'];

type CacheFolder = EntryKind | (typeof wholeFolders)[number]['name'] | (typeof workFolders)[number];

/** The path of a folder of the cache at `root`. */
export function cacheFolder(root: string, name: CacheFolder): string {
  return join(root, name);
}

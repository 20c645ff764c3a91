import { changedLines } from './diff.ts';

/** How a list of diffs is ordered. `unknown`: the diffs show no order. `neither`: the diffs contradict both orders. */
export type DiffOrder = 'oldest-first' | 'newest-first' | 'unknown' | 'neither';

/**
 * Determines the order of a list of diffs from the blobs in their `index` lines: a later diff starts from a file as an earlier diff
 * left this file. When a diff has no such line, the order is determined from the changed lines: later diffs remove lines that
 * earlier diffs added. Pure.
 */
export function orderOf(diffs: readonly string[]): DiffOrder {
  const forward = evidence(diffs) > 0;
  const backward = evidence(diffs.toReversed()) > 0;
  if (forward) return backward ? 'neither' : 'oldest-first';
  return backward ? 'newest-first' : 'unknown';
}

/**
 * The number of signs that a list of diffs is in order, oldest first. A sign is a file whose blob before a diff is the blob after
 * an earlier diff. In diffs without blobs, a sign is a removed line that an earlier diff added.
 */
function evidence(diffs: readonly string[]): number {
  const hasBlobs = diffs.every((diff) => diff.search(blobLine) >= 0);
  return hasBlobs ? sharedBlobs(diffs) : sharedLines(diffs);
}

/**
 * The line of git-diff(1), "Generating patch text with -p", that names the blobs before and after: `index 7a1c33d..b0f2d4e 100644`.
 */
const blobLine = /^index ([0-9a-f]{7,})\.\.([0-9a-f]{7,})/gm;

/** The beginning of the name of the empty blob, in a repository with SHA-1 or SHA-256. Any two files may be empty. */
const emptyBlobs = ['e69de29', '473a0f4'];

function sharedBlobs(diffs: readonly string[]): number {
  const left = new Set<string>();
  let signs = 0;
  for (const diff of diffs) {
    // git abbreviates different object names to different lengths, so only the first seven digits are compared.
    const blobs = [...diff.matchAll(blobLine)].map(([, old = '', young = '']) => [
      old.slice(0, 7),
      young.slice(0, 7),
    ]);
    signs += blobs.filter(([old = '']) => !emptyBlobs.includes(old) && left.has(old)).length;
    for (const [, young = ''] of blobs) if (!/^0+$/.test(young)) left.add(young);
  }
  return signs;
}

function sharedLines(diffs: readonly string[]): number {
  const brought = new Set<string>();
  let signs = 0;
  for (const diff of diffs) {
    const files = changedLines(diff);
    for (const { oldPath, removed } of files) {
      signs += removed.filter(({ text }) => brought.has(`${oldPath}\n${text}`)).length;
    }
    for (const { newPath, added } of files) {
      for (const { text } of added) {
        if (text.trim().length > 3) brought.add(`${newPath}\n${text}`);
      }
    }
  }
  return signs;
}

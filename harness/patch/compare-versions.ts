import { changedLines, endOfHunk, readHunk } from './diff.ts';

/** A patch of one version of a series, as an argument of compareVersions(). */
export interface VersionedPatch {
  /** The number of the patch in its version, from 1. */
  readonly index: number;
  readonly subject: string;
  /** The unified diff, one character per byte. */
  readonly diff: string;
}

/**
 * A patch of the newer version of a series. `before` is the index of the older patch that this patch replaces; absent for a new
 * patch.
 */
export interface ComparedPatch {
  readonly index: number;
  readonly change: 'same' | 'changed' | 'new';
  readonly before?: number;
}

export interface Comparison {
  /** The patches of the newer version of a series, in order. */
  readonly patches: readonly ComparedPatch[];
  /** Indices of the older version's patches that have no successor in the newer version. */
  readonly gone: readonly number[];
}

/**
 * Two patches count as versions of the same patch when at least this share of their changed lines is common to both, as in git
 * range-diff.
 */
const leastCommon = 0.5;

/**
 * Compares two versions of a series, patch by patch. `same`: an older patch has the same diff, apart from line numbers and white
 * space (as for git-patch-id(1)). `changed`: an older patch has the same subject, or has at least half of the changed lines in
 * common. `new`: there is no such older patch. Each older patch is the predecessor of at most one newer patch. Pure.
 */
export function compareVersions(
  older: readonly VersionedPatch[],
  newer: readonly VersionedPatch[],
): Comparison {
  const found = new Map<number, ComparedPatch>();
  const left = new Set(older);
  const take = (
    change: 'same' | 'changed',
    isLike: (before: VersionedPatch, after: VersionedPatch) => boolean,
  ): void => {
    for (const after of newer) {
      if (found.has(after.index)) continue;
      const before = [...left].find((one) => isLike(one, after));
      if (before === undefined) continue;
      left.delete(before);
      found.set(after.index, { index: after.index, change, before: before.index });
    }
  };
  const identities = new Map([...older, ...newer].map((one) => [one, identityOf(one.diff)]));
  take('same', (before, after) => identities.get(before) === identities.get(after));
  take('changed', (before, after) => wordsOf(before) === wordsOf(after));
  take('changed', (before, after) => commonShare(before.diff, after.diff) >= leastCommon);
  return {
    patches: newer.map(({ index }) => found.get(index) ?? { index, change: 'new' }),
    gone: older.filter((one) => left.has(one)).map(({ index }) => index),
  };
}

function wordsOf({ subject }: VersionedPatch): string {
  return subject.toLowerCase().replaceAll(/\s+/g, ' ').trim();
}

const fileLine =
  /^(?:diff --git |--- |\+\+\+ |rename |copy |new file mode |deleted file mode |old mode |new mode )/;

/** The lines of a diff that identify it: without line numbers and white space. A binary patch is kept whole. */
function identityOf(diff: string): string {
  if (/^GIT binary patch$/m.test(diff)) return diff;
  const kept: string[] = [];
  const lines = diff.split('\n');
  for (let at = 0; at < lines.length; at += 1) {
    const line = lines[at] ?? '';
    const hunk = readHunk(line);
    if (hunk !== undefined) {
      const end = endOfHunk(lines, at + 1, hunk);
      kept.push('@@', ...lines.slice(at + 1, end).map((one) => one.replaceAll(/\s/g, '')));
      at = end - 1;
    } else if (fileLine.test(line)) kept.push(line.replaceAll(/\s/g, ''));
  }
  return kept.join('\n');
}

/**
 * The number of changed lines that two diffs have in common, divided by the number of lines that either diff changes. The result is
 * 1 when both diffs change the same lines, and 0 when they have no changed line in common.
 */
function commonShare(one: string, other: string): number {
  const [ones, others] = [changedOf(one), changedOf(other)];
  const common = [...ones].filter((line) => others.has(line)).length;
  const all = ones.size + others.size - common;
  return all === 0 ? 0 : common / all;
}

function changedOf(diff: string): ReadonlySet<string> {
  const files = changedLines(diff);
  return new Set(
    files.flatMap(({ oldPath, newPath, removed, added }) => [
      ...removed.map(({ text }) => `${oldPath ?? ''} -${text.trim()}`),
      ...added.map(({ text }) => `${newPath ?? ''} +${text.trim()}`),
    ]),
  );
}

import { endOfHunk, readHunk } from './diff.ts';

/** The first line of a separate patch: a field of a mail, or a commit as git log and hg export print it. */
const startOfPatch =
  /^(?:>?From [0-9a-f]{40,64} |(?:From|Subject|Date|Author): *\S|commit (?:[-+=<>] )?[0-9a-f]{7,64}\b|[0-9a-f]{40}$|# HG changeset patch)/;

/**
 * Returns the line of a diff at which a further patch begins. Several patches were then put together, and applying them as one
 * patch would say nothing about each patch. The line is outside of all hunks, with hunks above and below. Returns undefined for a
 * diff of one patch. Pure.
 */
export function findGlued(diff: string): string | undefined {
  const lines = diff.split('\n');
  let [isBelow, glued]: [boolean, string | undefined] = [false, undefined];
  for (let at = 0; at < lines.length; at += 1) {
    const line = lines[at] ?? '';
    const hunk = readHunk(line);
    if (hunk !== undefined) {
      if (glued !== undefined) return glued;
      isBelow = true;
      at = endOfHunk(lines, at + 1, hunk) - 1;
    } else if (isBelow && startOfPatch.test(line)) glued ??= line;
  }
  return undefined;
}

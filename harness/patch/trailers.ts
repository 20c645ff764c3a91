import { patchId } from './git-series.ts';
import { allPatches, type Series } from './series.ts';

/**
 * Compares the base that a series names, in the lines of git format-patch --base, with the base that the user gave. `base` names
 * the user's base in words, and `under` are the series of this base (`--base-series`). Returns a note when `base` does not contain
 * the first 12 digits of the base-commit, and a note for the prerequisite patches that are not in `under`. Returns an empty list
 * when there is nothing to note.
 */
export async function checkTrailers(
  { trailers }: Series,
  under: readonly Series[],
  { base, signal }: { readonly base: string; readonly signal: AbortSignal },
): Promise<readonly string[]> {
  if (trailers === undefined) return [];
  const notes: string[] = [];
  const { baseCommit, prerequisites } = trailers;
  if (baseCommit !== undefined && !base.includes(baseCommit.slice(0, 12))) {
    notes.push(`made for base-commit ${baseCommit.slice(0, 12)}; tested on ${base}`);
  }
  if (prerequisites.length === 0) return notes;
  const ids = new Set<string | undefined>();
  for (const { diff } of allPatches(under)) ids.add(await patchId(diff, signal));
  const missing = prerequisites.filter((id) => !ids.has(id));
  if (missing.length > 0) {
    const names = missing.map((id) => id.slice(0, 12)).join(', ');
    notes.push(
      `builds on patches that are not among --base-series; ${base} must have them: ${names}`,
    );
  }
  return notes;
}

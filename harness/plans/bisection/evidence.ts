/** What a bisection knows about each commit from its journal (journal.jsonl). No I/O. */

import type { TrialOutcome } from '../../records/bisect-journal.ts';

/** An entry of a bisection's journal. `commit` is the index of the commit in the range (history.ts). */
export type Entry =
  | { readonly kind: 'built'; readonly commit: number; readonly image: string }
  | { readonly kind: 'broken'; readonly commit: number }
  | { readonly kind: 'trial'; readonly commit: number; readonly outcome: TrialOutcome };

/**
 * How many trials of a kernel image showed the bug (hits), could have shown the bug but did not (misses), and could not have shown
 * the bug (voids). Commits with the same image share the counts.
 */
export interface Counts {
  readonly hits: number;
  readonly misses: number;
  readonly voids: number;
}

export interface Evidence {
  readonly images: ReadonlyMap<number, string>;
  readonly counts: ReadonlyMap<string, Counts>;
  /** Commits that cannot be tested: they do not build, do not boot, or cannot show the bug. */
  readonly broken: ReadonlySet<number>;
  readonly trials: number;
}

export const nothingKnown: Evidence = {
  images: new Map(),
  counts: new Map(),
  broken: new Set(),
  trials: 0,
};

const untested: Counts = { hits: 0, misses: 0, voids: 0 };

/**
 * A kernel cannot be tested when no trial showed the bug and this many trials were void: they could not have shown the bug. Each
 * silent trial that could have shown the bug allows this many further void trials.
 */
export const mostVoids = 16;

export function learn(evidence: Evidence, entry: Entry): Evidence {
  switch (entry.kind) {
    case 'broken':
      return { ...evidence, broken: new Set([...evidence.broken, entry.commit]) };
    case 'built':
      return withBlind({
        ...evidence,
        images: new Map(evidence.images).set(entry.commit, entry.image),
      });
    case 'trial': {
      const image = evidence.images.get(entry.commit) ?? '';
      const before = evidence.counts.get(image) ?? untested;
      const counts = {
        hits: before.hits + (entry.outcome === 'hit' ? 1 : 0),
        misses: before.misses + (entry.outcome === 'miss' ? 1 : 0),
        voids: before.voids + (entry.outcome === 'void' ? 1 : 0),
      };
      return withBlind({
        ...evidence,
        counts: new Map(evidence.counts).set(image, counts),
        trials: evidence.trials + 1,
      });
    }
  }
}

/** Adds the commits of blind kernels to `broken`. A kernel is blind when almost none of its trials could have shown the bug. */
function withBlind(evidence: Evidence): Evidence {
  const blind = [...evidence.images]
    .filter(([, image]) => isBlind(evidence.counts.get(image) ?? untested))
    .map(([commit]) => commit);
  if (blind.every((commit) => evidence.broken.has(commit))) return evidence;
  return { ...evidence, broken: new Set([...evidence.broken, ...blind]) };
}

/** True when no trial showed the bug, and almost no trial could have shown it. */
export function isBlind({ hits, misses, voids }: Counts): boolean {
  return hits === 0 && voids >= mostVoids * (misses + 1);
}

export function countsOf(evidence: Evidence, commit: number): Counts {
  return evidence.counts.get(evidence.images.get(commit) ?? '') ?? untested;
}

/** Returns the counts of each kernel image, with the commits that gave this image. */
export function observations(
  evidence: Evidence,
): readonly (Counts & { readonly commits: readonly number[] })[] {
  const commits = new Map<string, number[]>();
  for (const [commit, image] of evidence.images) {
    const known = commits.get(image);
    if (known === undefined) commits.set(image, [commit]);
    else known.push(commit);
  }
  return [...commits].map(([image, having]) => ({
    ...(evidence.counts.get(image) ?? untested),
    commits: having,
  }));
}

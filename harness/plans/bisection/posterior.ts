import { expectedRate, logEvidence, type TrialCounts } from '../../trial/rate.ts';
import { type Evidence, observations } from './evidence.ts';
import type { History } from './history.ts';

/** The question of a bisection: which commit introduced the bug, or with `reverse`, which commit removed it. */
export interface Question {
  readonly history: History;
  readonly reverse: boolean;
}

/**
 * The probability of each commit to be the culprit. Index 0 says that the change happened at the old end or before it,
 * the index after the last commit that it never happened: the user was then wrong about an end.
 */
export interface Posterior {
  readonly mass: Float64Array;
  /** By commit: the number of silent trials that were luck if this commit is the culprit. */
  readonly misses: Int32Array;
  /** Number of trials that showed the bug. */
  readonly hits: number;
  /**
   * Number of trials that could not have shown the bug, usually because another bug came first, on kernels that showed the bug in
   * other trials.
   */
  readonly masked: number;
}

/** The counts from which the bug's rate is estimated, if `culprit` is the culprit. */
export function shownIf({ hits, misses, masked }: Posterior, culprit: number): TrialCounts {
  return { hits, misses: misses[culprit] ?? 0, masked };
}

/** For each of the two ends: the prior chance that the user named it wrongly (the old end splats already, or the new end does not). */
const priorOfWrongEnd = 0.02;
/** Prior chance that the culprit is a commit left out by --path. */
const priorOfOutside = 0.05;

/** True when a kernel built from `commit` has the bug, if `culprit` is the culprit. */
function hasBug({ history, reverse }: Question, commit: number, culprit: number): boolean {
  return history.contains(commit, culprit) !== reverse;
}

/**
 * Applies Bayes' rule to all commits. Only a kernel with the bug shows it; a silent trial of a kernel with the bug is
 * luck, whose chance follows from the rate. Undefined when no commit explains the trials.
 */
export function posteriorOf(question: Question, evidence: Evidence): Posterior | undefined {
  const size = question.history.ids.length;
  const misses = new Int32Array(size + 1);
  const possible = new Uint8Array(size + 1).fill(1);
  let [hits, masked] = [0, 0];
  for (const seen of observations(evidence)) {
    hits += seen.hits;
    // A void trial of a kernel without a hit says nothing about the rate.
    if (seen.hits > 0) masked += seen.voids;
    for (let culprit = 0; culprit <= size; culprit++) {
      const having = seen.commits.filter((commit) => hasBug(question, commit, culprit)).length;
      // One kernel cannot both have the bug and not have it.
      const consistent = having === 0 ? seen.hits === 0 : having === seen.commits.length;
      if (!consistent) possible[culprit] = 0;
      if (having > 0) misses[culprit] = (misses[culprit] ?? 0) + seen.misses;
    }
  }
  return normalise({ misses, possible, hits, masked, prior: priorOf(question.history) });
}

/** Returns a function from an index to its prior probability. */
function priorOf({ ids, outside }: History): (culprit: number) => number {
  const size = ids.length;
  const inside = size - 1 - outside.size;
  const shareOutside = inside === 0 ? 1 : outside.size === 0 ? 0 : priorOfOutside;
  const share = 1 - 2 * priorOfWrongEnd;
  return (culprit) => {
    if (culprit === 0 || culprit === size) return priorOfWrongEnd;
    return outside.has(culprit)
      ? (share * shareOutside) / outside.size
      : (share * (1 - shareOutside)) / inside;
  };
}

function normalise(found: {
  readonly misses: Int32Array;
  readonly possible: Uint8Array;
  readonly hits: number;
  readonly masked: number;
  readonly prior: (culprit: number) => number;
}): Posterior | undefined {
  const { misses, possible, hits, masked, prior } = found;
  const size = misses.length - 1;
  const byMisses = new Map<number, number>();
  const mass = new Float64Array(size + 1);
  let largest = Number.NEGATIVE_INFINITY;
  for (let culprit = 0; culprit <= size; culprit++) {
    const missed = misses[culprit] ?? 0;
    let log = byMisses.get(missed);
    if (log === undefined)
      byMisses.set(missed, (log = logEvidence({ hits, misses: missed, masked })));
    mass[culprit] =
      possible[culprit] === 1 ? log + Math.log(prior(culprit)) : Number.NEGATIVE_INFINITY;
    largest = Math.max(largest, mass[culprit] ?? largest);
  }
  if (largest === Number.NEGATIVE_INFINITY) return undefined;
  const weights = mass.map((log) => Math.exp(log - largest));
  const sum = weights.reduce((total, weight) => total + weight, 0);
  return { mass: weights.map((weight) => weight / sum), misses, hits, masked };
}

/**
 * The expected rate at which a trial of a kernel with the bug shows it, averaged over all commits by their probability.
 */
export function estimatedRate(posterior: Posterior): number {
  return posterior.mass.reduce(
    (sum, share, culprit) => sum + share * expectedRate(shownIf(posterior, culprit)),
    0,
  );
}

/**
 * The commits that no testable commit tells apart from `culprit`, sorted, with `culprit` itself: a run of commits that
 * do not build and the next commit that builds are one answer.
 */
export function undecidable(
  { history }: Question,
  evidence: Evidence,
  culprit: number,
): readonly number[] {
  const size = history.ids.length;
  let alike = Array.from({ length: size - 1 }, (_, at) => at + 1);
  // The nearest commits first: after them few candidates are left to compare.
  for (let distance = 0; distance < size && alike.length > 1; distance++) {
    for (const commit of new Set([culprit + distance, culprit - distance])) {
      if (commit < 0 || commit >= size || evidence.broken.has(commit)) continue;
      const inside = history.contains(commit, culprit);
      alike = alike.filter((other) => history.contains(commit, other) === inside);
    }
  }
  return alike;
}

import { expectedRate, logEvidence, type TrialCounts } from '../../trial/rate.ts';
import { type Evidence, observations } from './evidence.ts';
import type { History } from './history.ts';

/** The question of a bisection: which commit introduced the bug? With `reverse`: which commit removed the bug? */
export interface Question {
  readonly history: History;
  readonly reverse: boolean;
}

/**
 * The probability of each commit, by index, that it is the culprit. Index 0 means that the old end or an older commit made the
 * change. The index after the last commit means that no commit made the change. In both cases the user named an end of the
 * range wrongly.
 */
export interface Posterior {
  readonly mass: Float64Array;
  /**
   * The number of trials that were silent by luck, for each commit by index, under the assumption that this commit is the culprit.
   */
  readonly misses: Int32Array;
  /** Number of trials that showed the bug. */
  readonly hits: number;
  /**
   * The number of trials that could not have shown the bug, on kernels that showed the bug in other trials. Usually another bug
   * came first.
   */
  readonly masked: number;
}

/** Returns the counts of trials that estimate the bug's rate, under the assumption that `culprit` is the culprit. */
export function shownIf({ hits, misses, masked }: Posterior, culprit: number): TrialCounts {
  return { hits, misses: misses[culprit] ?? 0, masked };
}

/**
 * The chance, before any trial, that the user named an end wrongly: the old end already has the splat, or the new end does not have
 * the splat. Each end has this chance.
 */
const priorOfWrongEnd = 0.02;
/** The chance, before any trial, that the culprit is a commit that --path left out. */
const priorOfOutside = 0.05;

/** True when the kernel of `commit` has the bug, under the assumption that `culprit` is the culprit. */
function hasBug({ history, reverse }: Question, commit: number, culprit: number): boolean {
  return history.contains(commit, culprit) !== reverse;
}

/**
 * Computes from the trials so far, by Bayes' rule, the probability of each commit that it is the culprit. Only a kernel with the
 * bug can show the bug. Such a kernel stays silent by luck, with a chance that follows from the bug's rate. Returns undefined when
 * no commit explains the trials.
 */
export function posteriorOf(question: Question, evidence: Evidence): Posterior | undefined {
  const size = question.history.ids.length;
  const misses = new Int32Array(size + 1);
  const possible = new Uint8Array(size + 1).fill(1);
  let [hits, masked] = [0, 0];
  for (const seen of observations(evidence)) {
    hits += seen.hits;
    // When no trial of a kernel showed the bug, its void trials say nothing about the rate.
    if (seen.hits > 0) masked += seen.voids;
    for (let culprit = 0; culprit <= size; culprit++) {
      const having = seen.commits.filter((commit) => hasBug(question, commit, culprit)).length;
      // These commits gave the same kernel, so either all of them have the bug or none has it.
      const consistent = having === 0 ? seen.hits === 0 : having === seen.commits.length;
      if (!consistent) possible[culprit] = 0;
      if (having > 0) misses[culprit] = (misses[culprit] ?? 0) + seen.misses;
    }
  }
  return normalise({ misses, possible, hits, masked, prior: priorOf(question.history) });
}

/** Returns a function from a commit's index to the commit's probability before any trial. */
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
 * Returns the rate of the bug: the expected share of the trials of a kernel with the bug that show the bug. The rate is the mean
 * over all commits, weighted by their probability.
 */
export function estimatedRate(posterior: Posterior): number {
  return posterior.mass.reduce(
    (sum, share, culprit) => sum + share * expectedRate(shownIf(posterior, culprit)),
    0,
  );
}

/**
 * Returns the culprit and the commits that no trial can tell apart from the culprit, sorted. For example, commits that do not build
 * and the next commit that builds are one answer.
 */
export function undecidable(
  { history }: Question,
  evidence: Evidence,
  culprit: number,
): readonly number[] {
  const size = history.ids.length;
  let alike = Array.from({ length: size - 1 }, (_, at) => at + 1);
  // The nearest commits are compared first, because these comparisons leave few candidates.
  for (let distance = 0; distance < size && alike.length > 1; distance++) {
    for (const commit of new Set([culprit + distance, culprit - distance])) {
      if (commit < 0 || commit >= size || evidence.broken.has(commit)) continue;
      const inside = history.contains(commit, culprit);
      alike = alike.filter((other) => history.contains(commit, other) === inside);
    }
  }
  return alike;
}

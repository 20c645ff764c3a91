import { expectedRate, logEvidence, type Shown } from '../../trial/rate.ts';
import { type Evidence, observations } from './evidence.ts';
import type { History } from './history.ts';

/** What is sought: the commit that brought the bug, or with `reverse` the commit that took it away. */
export interface Question {
  readonly history: History;
  readonly reverse: boolean;
}

/**
 * How probable it is of each commit that it is the one. Index 0 means that it happened at the old end or before, the
 * index after the last commit that it never happened: both ends are then not what the user said.
 */
export interface Posterior {
  readonly mass: Float64Array;
  /** Trials that were silent by luck, if it was this commit. */
  readonly misses: Int32Array;
  /** Trials that showed the bug. */
  readonly hits: number;
  /** Trials of kernels that showed it, in which another bug came first. */
  readonly masked: number;
}

/** What is known of the bug's rate, if it is this commit. */
export function shownIf({ hits, misses, masked }: Posterior, culprit: number): Shown {
  return { hits, misses: misses[culprit] ?? 0, masked };
}

/** Chances before any trial that the old end, or the new end, is not what the user said. */
const priorOfWrongEnd = 0.02;
/** Chance before any trial that it is a commit the user left out with --path. */
const priorOfOutside = 0.05;

/** True when a kernel built of `commit` has the bug, if `culprit` is the one. */
function hasBug({ history, reverse }: Question, commit: number, culprit: number): boolean {
  return history.contains(commit, culprit) !== reverse;
}

/**
 * Bayes' rule over all commits. A commit shows the bug only when it has it; a silent trial of one that has it is luck,
 * with the chance of the rate. Undefined when no commit explains what was seen.
 */
export function posteriorOf(question: Question, evidence: Evidence): Posterior | undefined {
  const size = question.history.ids.length;
  const misses = new Int32Array(size + 1);
  const possible = new Uint8Array(size + 1).fill(1);
  let [hits, masked] = [0, 0];
  for (const seen of observations(evidence)) {
    hits += seen.hits;
    // Of a kernel that did not show the bug such a trial says nothing: why it saw nothing is not known for certain.
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

/** By index, before any trial. */
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

/** How often a trial of a kernel that has the bug shows it, over all commits by their probability. */
export function estimatedRate(posterior: Posterior): number {
  return posterior.mass.reduce(
    (sum, share, culprit) => sum + share * expectedRate(shownIf(posterior, culprit)),
    0,
  );
}

/**
 * The commits nothing testable can tell from `culprit`: a range of commits that do not build and the next one that does
 * are one answer. Sorted; `culprit` is one of them.
 */
export function undecidable(
  { history }: Question,
  evidence: Evidence,
  culprit: number,
): readonly number[] {
  const size = history.ids.length;
  let alike = Array.from({ length: size - 1 }, (_, at) => at + 1);
  // The nearest first: they leave next to nothing for the others to be asked about.
  for (let distance = 0; distance < size && alike.length > 1; distance++) {
    for (const commit of new Set([culprit + distance, culprit - distance])) {
      if (commit < 0 || commit >= size || evidence.broken.has(commit)) continue;
      const inside = history.contains(commit, culprit);
      alike = alike.filter((other) => history.contains(commit, other) === inside);
    }
  }
  return alike;
}

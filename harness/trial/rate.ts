/**
 * How often a commit that has the bug shows it in a trial: unknown, the same for all commits, and estimated from all
 * trials together. A mixture: most bugs worth a bisection fire always or nearly so, the rest at any rate.
 */
export const rates: readonly { readonly rate: number; readonly weight: number }[] = [
  { rate: 1, weight: 0.15 },
  ...[
    0.97, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.32, 0.25, 0.2, 0.16, 0.12, 0.09, 0.07, 0.05, 0.035, 0.025,
  ].map((rate, _at, all) => ({ rate, weight: 0.85 / all.length })),
];

/** Trials of kernels that have the bug. */
export interface TrialCounts {
  readonly hits: number;
  /** Trials that missed the bug by luck. */
  readonly misses: number;
  /** Those in which another bug came first and left nothing to see, of kernels that showed this one in other trials. */
  readonly masked: number;
}

/**
 * The natural logarithm of the chance of a given sequence of trials on commits that have the bug, over all rates;
 * -Infinity is never reached, because no rate but one excludes a miss. A masked trial says that the bug did not come
 * before the other, which happens to half of those in which both fire: without it, kernels that have the other bug, too,
 * would show this one among the trials that count more often than it is.
 */
export function logEvidence({ hits, misses, masked }: TrialCounts): number {
  const terms = rates.map(({ rate, weight }) => {
    // 0 × log 0 is 0 here: a certain bug that was never missed.
    const missed = misses === 0 ? 0 : misses * Math.log(1 - rate);
    return Math.log(weight) + hits * Math.log(rate) + missed + masked * Math.log(1 - rate / 2);
  });
  const largest = Math.max(...terms);
  return largest + Math.log(terms.reduce((sum, term) => sum + Math.exp(term - largest), 0));
}

/** The expected rate of the bug after these trials. */
export function expectedRate(shown: TrialCounts): number {
  return Math.exp(logEvidence({ ...shown, hits: shown.hits + 1 }) - logEvidence(shown));
}

/** The chance that `runs` more trials of a commit that has the bug all miss it, after these trials. */
export function chanceOfSilence(shown: TrialCounts, runs: number): number {
  const silent = { ...shown, misses: shown.misses + runs };
  return Math.exp(logEvidence(silent) - logEvidence(shown));
}

/** The rate a bug has at most, with a confidence of 95 %, that was not seen in so many trials. */
export function highestUnseenRate(runs: number): number {
  return 1 - 0.05 ** (1 / runs);
}

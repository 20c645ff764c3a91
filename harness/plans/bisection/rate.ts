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

/**
 * The natural logarithm of the chance of a given sequence of trials with `hits` and `misses` on commits that have the
 * bug, over all rates; -Infinity is never reached, because no rate but one excludes a miss.
 */
export function logEvidence(hits: number, misses: number): number {
  const terms = rates.map(({ rate, weight }) => {
    // 0 × log 0 is 0 here: a certain bug that was never missed.
    const missed = misses === 0 ? 0 : misses * Math.log(1 - rate);
    return Math.log(weight) + hits * Math.log(rate) + missed;
  });
  const largest = Math.max(...terms);
  return largest + Math.log(terms.reduce((sum, term) => sum + Math.exp(term - largest), 0));
}

/** The rate to be expected after these trials. */
export function expectedRate(hits: number, misses: number): number {
  return Math.exp(logEvidence(hits + 1, misses) - logEvidence(hits, misses));
}

/** The chance that `runs` more trials of a commit that has the bug all miss it, after these trials. */
export function chanceOfSilence(hits: number, misses: number, runs: number): number {
  return Math.exp(logEvidence(hits, misses + runs) - logEvidence(hits, misses));
}

/** The rate a bug has at most, with a confidence of 95 %, that was not seen in so many trials. */
export function highestUnseenRate(runs: number): number {
  return 1 - 0.05 ** (1 / runs);
}

/**
 * The rates that a bug may have, each with its prior probability (`weight`). The rate is the chance that a trial on a commit with
 * the bug shows the bug. The rate is not known but is the same for all commits, so all trials together estimate it. The rate 1
 * (every trial shows the bug) has the weight 0.15. The other rates share 0.85 equally.
 */
const rates: readonly { readonly rate: number; readonly weight: number }[] = [
  { rate: 1, weight: 0.15 },
  ...[
    0.97, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.32, 0.25, 0.2, 0.16, 0.12, 0.09, 0.07, 0.05, 0.035, 0.025,
    0.018, 0.012,
  ].map((rate, _at, all) => ({ rate, weight: 0.85 / all.length })),
];

/** Counts of the trials of kernels that have the bug. */
export interface TrialCounts {
  /** Trials that showed the bug. */
  readonly hits: number;
  /** Trials that could have shown the bug and, by chance, did not. */
  readonly misses: number;
  /**
   * Trials in which another bug came first, so that this bug could not show. Only trials of kernels that showed this bug in other
   * trials are counted.
   */
  readonly masked: number;
}

/**
 * Returns the natural logarithm of the chance that trials on commits with the bug go as these did, over all rates that the bug may
 * have. Never returns -Infinity, because only the rate 1 excludes a miss. A masked trial, in which another bug came first, has the
 * chance 1 - rate/2: of the trials that would show this bug, half show this bug first. If masked trials were left out, this bug
 * would seem to show more often than it does.
 */
export function logEvidence({ hits, misses, masked }: TrialCounts): number {
  const terms = rates.map(({ rate, weight }) => {
    // For the rate 1 and no miss, 0 × log 0 counts as 0.
    const missed = misses === 0 ? 0 : misses * Math.log(1 - rate);
    return Math.log(weight) + hits * Math.log(rate) + missed + masked * Math.log(1 - rate / 2);
  });
  const largest = Math.max(...terms);
  return largest + Math.log(terms.reduce((sum, term) => sum + Math.exp(term - largest), 0));
}

/** Returns the expected rate of the bug (the chance that a trial shows the bug), given these trials. */
export function expectedRate(shown: TrialCounts): number {
  return Math.exp(logEvidence({ ...shown, hits: shown.hits + 1 }) - logEvidence(shown));
}

/** Returns the chance that none of `runs` further trials on a commit with the bug shows the bug, given the earlier trials. */
export function chanceOfSilence(shown: TrialCounts, runs: number): number {
  const silent = { ...shown, misses: shown.misses + runs };
  return Math.exp(logEvidence(silent) - logEvidence(shown));
}

/**
 * Returns the highest rate that an unseen bug can have, with 95 % confidence, after `runs` trials without the bug. The rate is the
 * chance that a trial shows the bug. Returns 1 when `runs` is 0.
 */
export function highestUnseenRate(runs: number): number {
  return 1 - 0.05 ** (1 / runs);
}

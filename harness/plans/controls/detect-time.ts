/** Summarizes how long the kernel takes to report a bug, over several trials. Some trials may show no splat. Pure. */

import type { DetectTime } from '../../records/controls.ts';

/**
 * Summarizes the times of several trials until the splat. `times` are in milliseconds; null stands for a trial without a splat up
 * to `capMs`. The true median lies from `lowMs` to `highMs` with a confidence of at least 95 %; both are null for fewer than six
 * trials. A median or limit beyond `capMs` is null, too. The limits come from the order of the times, so they hold for every
 * distribution, and a time beyond `capMs` need not be known.
 */
export function summarizeTimes(times: readonly (number | null)[], capMs: number): DetectTime {
  const sorted = times.map((ms) => ms ?? Number.POSITIVE_INFINITY).toSorted((a, b) => a - b);
  const n = sorted.length;
  const rank = lowRank(n);
  return {
    forks: n,
    detected: sorted.filter(Number.isFinite).length,
    capMs,
    medianMs: finite(((sorted[(n - 1) >> 1] ?? Infinity) + (sorted[n >> 1] ?? Infinity)) / 2),
    lowMs: rank === undefined ? null : finite(sorted[rank] ?? Infinity),
    highMs: rank === undefined ? null : finite(sorted[n - 1 - rank] ?? Infinity),
  };
}

function finite(ms: number): number | null {
  return Number.isFinite(ms) ? Math.round(ms) : null;
}

/**
 * The largest index r for which the median lies between the sorted values at r and at n - 1 - r in at least 95 % of all
 * samples. Each value is below the median with a probability of 1/2, so the number of such values is binomial. Returns
 * undefined for n below six.
 */
function lowRank(n: number): number | undefined {
  let below = 0;
  let term = 0.5 ** n;
  let rank: number | undefined;
  for (let r = 0; 2 * r < n - 1; r++) {
    below += term;
    if (1 - 2 * below < 0.95) return rank;
    rank = r;
    term *= (n - r) / (r + 1);
  }
  return rank;
}

/**
 * Summarizes how long detection takes, over several forks (fresh copies of a booted guest). Some forks may show no splat. Pure.
 */

import type { DetectTime } from '../../records/controls.ts';

/**
 * Summarizes the times of several forks. `times` are in milliseconds; null stands for a fork without a splat before `capMs`. The
 * result has an interval from `lowMs` to `highMs` that contains the true median with a confidence of at least 95 %; both are null
 * for fewer than six forks. The median and each end of the interval are null when they lie beyond `capMs`. The interval comes
 * from order statistics, so it holds for every distribution, and a time beyond `capMs` need not be known.
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
 * The largest index r so that the median lies between the values at r and n - 1 - r in at least 95 % of samples: each
 * value is below the median with probability 1/2, so the number below is binomial. Undefined below six values.
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

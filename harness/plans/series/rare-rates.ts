import type { Tally } from './tally.ts';

/**
 * The rates that a splat of a series may have in the trials of one workload, each with its probability before any trial. Rare
 * splats have a large share. A series has hundreds of trials, so a splat of the base that shows in 1 of 300 is seen now and then,
 * on any kernel by chance. If such rates were left out, the only explanation of a late first sighting would be that a patch brought
 * the splat.
 */
const rates: readonly { readonly rate: number; readonly weight: number }[] = [
  { rate: 1, weight: 0.15 },
  ...[
    0.97, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.32, 0.25, 0.2, 0.16, 0.12, 0.09, 0.07, 0.05, 0.035, 0.025,
    0.018, 0.012, 0.008, 0.005, 0.003, 0.002, 0.001, 0.0005, 0.0002, 0.0001,
  ].map((rate, _at, all) => ({ rate, weight: 0.85 / all.length })),
];

/** The results of logEvidence() so far, by the number of hits and then by the number of misses. */
const known = new Map<number, (number | undefined)[]>();

/**
 * The natural logarithm of the probability of these hits and misses, for trials of one workload on kernels with a splat. The
 * probability is a mean over all rates that the splat may have. The result is never -Infinity, because only the rate 1
 * excludes a miss.
 */
export function logEvidence({ hits, misses }: Tally): number {
  const row = known.get(hits) ?? [];
  known.set(hits, row);
  const before = row[misses];
  if (before !== undefined) return before;
  const terms = rates.map(({ rate, weight }) => {
    // For the rate 1 and no miss, 0 × log 0 counts as 0.
    const missed = misses === 0 ? 0 : misses * Math.log(1 - rate);
    return Math.log(weight) + hits * Math.log(rate) + missed;
  });
  const largest = Math.max(...terms);
  const sum = terms.reduce((total, term) => total + Math.exp(term - largest), 0);
  const found = largest + Math.log(sum);
  row[misses] = found;
  return found;
}

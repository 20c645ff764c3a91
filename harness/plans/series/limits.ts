import { workloads } from '../../stress/workloads.ts';
import type { Limits } from './decide.ts';

/**
 * How many trials a series gets by default; bench/series-simulation.ts was measured with these numbers. A workload that may call
 * what a patch changes has 16 trials on the kernel with this patch, since a splat that a later patch cures shows nowhere else.
 * With a chance of 3 %, all 16 trials miss a splat that shows in 1 trial of 5. Each workload has at least 2 trials on the last
 * kernel that can be tested, to find splats that have nothing to do with the functions it calls.
 */
export const defaultLimits: Limits = {
  confidence: 0.99,
  elsewhere: 2,
  whereReached: 16,
  perSplat: 1000,
  shares: Object.fromEntries(
    workloads.flatMap(({ name, seriesShare }) =>
      seriesShare === undefined ? [] : [[name, seriesShare]],
    ),
  ),
};

import type { Limits } from './decide.ts';

/**
 * The limits with which bench/series-simulation.ts was measured. 16 trials miss a splat that shows in 1 trial of 5 with
 * a chance of 3 %. Every prefix has 16 trials of the workloads that may call what its patch changes: a splat that a later
 * patch cures shows nowhere else. The 2 trials of all other workloads, on the whole series, look for unexpected splats.
 */
export const defaultLimits: Limits = {
  confidence: 0.99,
  elsewhere: 2,
  whereReached: 16,
  perSplat: 1000,
};

import type { Limits } from './decide.ts';

/**
 * The limits with which bench/series-simulation.ts was measured. A workload that may call what a patch changes has 16 trials on
 * the prefix of this patch, since a splat that a later patch cures shows nowhere else. The chance is 3 % that 16 trials miss a
 * splat that shows in 1 trial of 5. Every workload has at least 2 trials on the last testable prefix, to find splats that have
 * nothing to do with the called functions.
 */
export const defaultLimits: Limits = {
  confidence: 0.99,
  elsewhere: 2,
  whereReached: 16,
  perSplat: 1000,
};

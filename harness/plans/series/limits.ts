import type { Limits } from './decide.ts';

/**
 * What bench/series-simulation.ts was measured with. 16 trials miss a splat that fires in 1 run of 5 with a chance of 3 %:
 * so many has the last prefix, and every prefix in workloads that may call what the series changes, for a splat that a
 * later patch cures shows nowhere else. The two of the others see what nobody expected.
 */
export const defaultLimits: Limits = {
  confidence: 0.99,
  perPrefix: 2,
  atHead: 16,
  whereReached: 16,
  perSplat: 1000,
};

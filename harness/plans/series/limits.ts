import type { Limits } from './decide.ts';

/**
 * What bench/series-simulation.ts was measured with. 16 trials of the last prefix miss a splat that fires in 1 run of 5
 * with a chance of 3 %; the two of every other prefix see what comes and goes.
 */
export const defaultLimits: Limits = {
  confidence: 0.99,
  perPrefix: 2,
  atHead: 16,
  perSplat: 400,
};

import type { ReportedWorkload } from '../../records/series.ts';
import { highestUnseenRate } from '../../trial/rate.ts';
import { bootWorkload } from '../../trial/ready-kernel.ts';
import { classesOf, countHeard, type ReachOf } from './classes.ts';
import { type Evidence, placesOf } from './evidence.ts';

export interface WorkloadTrials {
  readonly evidence: Evidence;
  /** Names of the workloads, the boot included. */
  readonly names: readonly string[];
  readonly reach: ReachOf;
}

/** How often a splat would have to fire to be seen in the trials of each workload. */
export function describeWorkloads({
  evidence,
  names,
  reach,
}: WorkloadTrials): readonly ReportedWorkload[] {
  if (placesOf(evidence).length === 0) return [];
  return names
    .filter((name) => name !== bootWorkload)
    .map((name) => {
      const counts = classesOf(evidence, name, reach).map((places) =>
        countHeard(evidence, name, places),
      );
      const heard = counts.at(-1) ?? 0;
      // What the base alone shows is no patch's.
      const least = Math.min(...(counts.length > 1 ? counts.slice(1) : counts));
      return { name, heard, seenAbove: seenAbove(heard), curedSeenAbove: seenAbove(least) };
    });
}

function seenAbove(heard: number): number | null {
  return heard === 0 ? null : highestUnseenRate(heard);
}

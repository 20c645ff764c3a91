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

/**
 * For each workload but the boot, figures about its classes of prefixes (classes.ts). `heard`: how many trials of the last class
 * could have shown a splat. `seenAbove`: the lowest rate of a splat that these trials would have shown with a confidence of 95 %.
 * `curedSeenAbove`: the same rate for the class with the fewest of these trials, since a splat that a later patch cures shows in
 * no other class. A rate is null when no trial could have shown a splat. Empty when no prefix can be tested.
 */
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
      // A splat of the base is not caused by a patch, so the base's class does not count, unless it is the only class.
      const least = Math.min(...(counts.length > 1 ? counts.slice(1) : counts));
      return { name, heard, seenAbove: seenAbove(heard), curedSeenAbove: seenAbove(least) };
    });
}

function seenAbove(heard: number): number | null {
  return heard === 0 ? null : highestUnseenRate(heard);
}

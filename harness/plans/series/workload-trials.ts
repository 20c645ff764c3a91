import type { ReportedWorkload } from '../../records/series.ts';
import { highestUnseenRate } from '../../trial/rate.ts';
import { bootWorkload } from '../../trial/ready-kernel.ts';
import { classesOf, countHeard, type ReachOf } from './classes.ts';
import { type Evidence, placesOf } from './evidence.ts';

export interface WorkloadTrials {
  readonly evidence: Evidence;
  /** The names of the workloads, with `boot` for the boot. */
  readonly names: readonly string[];
  readonly reach: ReachOf;
}

/**
 * Figures for each workload except the boot. The kernels of the series are grouped into classes (classes.ts). `heard`: how many
 * trials of the last class could have shown a splat. `seenAbove`: the lowest rate of a splat that these trials would have shown
 * with a confidence of 95 %. `curedSeenAbove`: the same for the class with the fewest such trials, since a splat that a later patch
 * cures shows in no other class. Both are null when no trial could have shown a splat. Empty when no kernel can be tested.
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
      // The class of the base does not count, because no patch caused a splat of the base. The class of the base counts only when
      // there is no other class.
      const least = Math.min(...(counts.length > 1 ? counts.slice(1) : counts));
      return { name, heard, seenAbove: seenAbove(heard), curedSeenAbove: seenAbove(least) };
    });
}

function seenAbove(heard: number): number | null {
  return heard === 0 ? null : highestUnseenRate(heard);
}

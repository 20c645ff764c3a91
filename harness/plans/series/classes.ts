import { bootWorkload } from '../../trial/ready-kernel.ts';
import { type Evidence, placesOf, trialsOf } from './evidence.ts';

/** Whether a workload calls what patches change: `yes` and `no` as the counters of its trials say. */
export type Reach = 'yes' | 'no' | 'unknown';

/** The patches of the prefixes after `from`, up to `to`. */
export type ReachOf = (from: number, to: number, workload: string) => Reach;

/**
 * The prefixes between which a workload cannot tell a difference: their kernels differ only in what it does not call.
 * What one of them shows, all show. Prefixes in order, the first of each class first.
 */
export function classesOf(
  evidence: Evidence,
  workload: string,
  reach: ReachOf,
): readonly (readonly number[])[] {
  const classes: number[][] = [];
  const places = placesOf(evidence);
  for (const [at, place] of places.entries()) {
    const before = places[at - 1];
    const last = classes.at(-1);
    const isSame =
      workload !== bootWorkload && before !== undefined && reach(before, place, workload) === 'no';
    if (last === undefined || !isSame) classes.push([place]);
    else last.push(place);
  }
  return classes;
}

/** Trials of the workload on all prefixes of the class that could have shown a splat. */
export function countHeard(
  evidence: Evidence,
  workload: string,
  places: readonly number[],
): number {
  return places
    .flatMap((place) => trialsOf(evidence, place))
    .filter((trial) => trial.workload === workload && trial.state === 'heard').length;
}

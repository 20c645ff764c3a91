import { bootWorkload } from '../../trial/ready-kernel.ts';
import { type Evidence, placesOf, trialsOf } from './evidence.ts';

/**
 * Whether a workload calls code that certain patches change. `yes` and `no` are known from the call counters of its trials;
 * `unknown` means that the counters do not tell. It is `no` for patches that change no code.
 */
export type Reach = 'yes' | 'no' | 'unknown';

/** Tells whether `workload` calls code that the patches after prefix `from`, up to and including prefix `to`, change. */
export type ReachOf = (from: number, to: number, workload: string) => Reach;

/**
 * Groups the prefixes of a series (the kernels with the first N patches) into classes. The kernels of a class differ only in code
 * that the workload does not call, so a splat that shows on one of them shows on all of them. For the boot each prefix is a class
 * of its own. The classes and their prefixes are in order, so the first class begins with the base.
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

/** The number of trials of the workload, on all prefixes of the class, that could have shown a splat. */
export function countHeard(
  evidence: Evidence,
  workload: string,
  places: readonly number[],
): number {
  return places
    .flatMap((place) => trialsOf(evidence, place))
    .filter((trial) => trial.workload === workload && trial.state === 'heard').length;
}

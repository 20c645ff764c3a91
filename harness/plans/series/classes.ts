import { bootWorkload } from '../../trial/ready-kernel.ts';
import { type Evidence, placesOf, trialsOfAll } from './evidence.ts';

/**
 * Whether a workload calls code that certain patches change. The call counters of its trials tell `yes` or `no`; if they do not
 * tell, the answer is `unknown`. For patches that change no code, the answer is `no`.
 */
export type Reach = 'yes' | 'no' | 'unknown';

/**
 * Tells whether a workload calls code that patches change: those after the first `from` patches of the series, up to and
 * including patch number `to`.
 */
export type ReachOf = (from: number, to: number, workload: string) => Reach;

/**
 * Groups the kernels of a series into classes for a workload. A prefix is the kernel with the first N patches. The prefixes of a
 * class differ only in code that the workload does not call, so a splat that shows on one prefix of the class shows on all. For the
 * boot, each prefix is in a class of its own. Classes and prefixes are in order, from the base on.
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

/**
 * How many trials of a workload could have shown a splat, on all kernels of a class. `places` names each kernel by its
 * number of patches.
 */
export function countHeard(
  evidence: Evidence,
  workload: string,
  places: readonly number[],
): number {
  return trialsOfAll(evidence, places).filter(
    (trial) => trial.workload === workload && trial.state === 'heard',
  ).length;
}

import type { PrefixTrial, Sighting, StepState } from '../../records/series-journal.ts';
import type { Place, Tally } from './tally.ts';

/** What is known about the kernels of a series so far: which can be tested, and how their trials ended. No I/O. */

export interface Evidence {
  readonly steps: ReadonlyMap<number, StepState>;
  readonly trials: readonly PrefixTrial[];
}

export const nothingKnown: Evidence = { steps: new Map(), trials: [] };

export function learnStep(evidence: Evidence, step: number, state: StepState): Evidence {
  return { ...evidence, steps: new Map(evidence.steps).set(step, state) };
}

export function learnTrial(evidence: Evidence, trial: PrefixTrial): Evidence {
  return { ...evidence, trials: [...evidence.trials, trial] };
}

/**
 * The kernels of a series that can be tested and differ from the kernel before, in order. Each kernel is given as its number of
 * patches. A place, in talliesOf() and presence.ts, is an index into this list.
 */
export function placesOf({ steps }: Evidence): readonly number[] {
  return [...steps]
    .filter(([, state]) => state.kind === 'ready')
    .map(([step]) => step)
    .toSorted((a, b) => a - b);
}

/** The trials of all kernels of the series whose image is equal to that of the kernel with the first `step` patches. */
export function trialsOf(evidence: Evidence, step: number): readonly PrefixTrial[] {
  const image = imageOf(evidence, step);
  return evidence.trials.filter((trial) => imageOf(evidence, trial.step) === image);
}

/** The trials of several kernels. When several of these kernels have one image, its trials are listed once. */
export function trialsOfAll(evidence: Evidence, steps: readonly number[]): readonly PrefixTrial[] {
  const images = new Set(steps.map((step) => imageOf(evidence, step)));
  return evidence.trials.filter((trial) => images.has(imageOf(evidence, trial.step)));
}

function imageOf({ steps }: Evidence, step: number): string | undefined {
  const state = steps.get(step);
  return state?.kind === 'ready' ? state.image : undefined;
}

/** True when a trial of a workload ended in this state, on the kernel with the first `step` patches or on an equal image. */
export function endedAs(
  evidence: Evidence,
  { step, workload, state }: Pick<PrefixTrial, 'step' | 'workload' | 'state'>,
): boolean {
  const trials = trialsOf(evidence, step);
  return trials.some((trial) => trial.workload === workload && trial.state === state);
}

/**
 * True when a workload could run neither on the base nor on the last kernel that can be tested, and ran on no kernel between. Then
 * no patch of the series is the cause.
 */
export function neverRan(evidence: Evidence, workload: string): boolean {
  const places = placesOf(evidence);
  const cannotRun = (step: number | undefined): boolean =>
    step !== undefined && endedAs(evidence, { step, workload, state: 'not-run' });
  return (
    cannotRun(places[0]) &&
    cannotRun(places.at(-1)) &&
    !evidence.trials.some((trial) => trial.workload === workload && trial.state === 'heard')
  );
}

/** A splat that any trial showed, with the workloads that showed it. */
export interface Suspect extends Sighting {
  readonly workloads: readonly string[];
}

export function suspectsOf({ trials }: Evidence): readonly Suspect[] {
  const found = new Map<string, { readonly first: Sighting; readonly workloads: Set<string> }>();
  for (const { splats, workload } of trials) {
    for (const splat of splats) {
      const known = found.get(splat.key) ?? { first: splat, workloads: new Set<string>() };
      known.workloads.add(workload);
      found.set(splat.key, known);
    }
  }
  return [...found.values()].map(({ first, workloads }) => ({
    ...first,
    workloads: [...workloads],
  }));
}

/**
 * How the trials of one kernel ended for a splat. `hits` showed it, `misses` could have shown it but did not, and `voids` could
 * not have shown it.
 */
export interface SuspectTally extends Tally {
  readonly voids: number;
}

export interface SuspectPlace extends Place {
  readonly tallies: readonly SuspectTally[];
}

/**
 * For each kernel of the series that can be tested, in order: how the trials of each workload ended for a splat. Only the workloads
 * that ever showed the splat count, in the order of `suspect.workloads`. A splat has a rate of its own for each workload.
 */
export function talliesOf(evidence: Evidence, suspect: Suspect): readonly SuspectPlace[] {
  const steps = placesOf(evidence);
  const images = steps.map((step) => imageOf(evidence, step));
  return steps.map((step, at) => {
    const twin = images.indexOf(images[at]);
    const trials = twin === at ? trialsOf(evidence, step) : [];
    const tallies = suspect.workloads.map((workload) => {
      const own = trials.filter((trial) => trial.workload === workload);
      const hits = own.filter(({ splats }) => splats.some(({ key }) => key === suspect.key));
      const misses = own.filter((trial) => trial.state === 'heard' && !hits.includes(trial));
      const voids = own.length - hits.length - misses.length;
      return { hits: hits.length, misses: misses.length, voids };
    });
    return twin === at ? { tallies } : { tallies, twin };
  });
}

import type { PrefixTrial, Sighting, StepState } from '../../records/series-journal.ts';
import type { Tally } from './presence.ts';

/** The states and trials of the prefixes of a series so far. No I/O. */

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
 * The prefixes, in order, that can be tested and whose kernel differs from that of the prefix before. In talliesOf() and
 * presence.ts, a place is an index into this list.
 */
export function placesOf({ steps }: Evidence): readonly number[] {
  return [...steps]
    .filter(([, state]) => state.kind === 'ready')
    .map(([step]) => step)
    .toSorted((a, b) => a - b);
}

/** All trials of kernels with the same image as the kernel of this prefix. */
export function trialsOf(evidence: Evidence, step: number): readonly PrefixTrial[] {
  const image = imageOf(evidence, step);
  return evidence.trials.filter((trial) => imageOf(evidence, trial.step) === image);
}

function imageOf({ steps }: Evidence, step: number): string | undefined {
  const state = steps.get(step);
  return state?.kind === 'ready' ? state.image : undefined;
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
 * The trials of one testable prefix, counted by their outcome for a suspect. `voids` counts the trials that could not have shown
 * the suspect.
 */
export interface SuspectTally extends Tally {
  readonly voids: number;
}

/** For each place (a testable prefix, as in placesOf()): the trials of the workloads that ever showed the suspect. */
export function talliesOf(evidence: Evidence, suspect: Suspect): readonly SuspectTally[] {
  return placesOf(evidence).map((step) => {
    const tally = { hits: 0, misses: 0, voids: 0 };
    for (const { workload, splats, state } of trialsOf(evidence, step)) {
      if (!suspect.workloads.includes(workload)) continue;
      if (splats.some(({ key }) => key === suspect.key)) tally.hits += 1;
      else if (state === 'heard') tally.misses += 1;
      else tally.voids += 1;
    }
    return tally;
  });
}

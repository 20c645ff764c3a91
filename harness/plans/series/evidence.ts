import type { Untestable } from '../../verdict.ts';
import type { Tally } from './presence.ts';

/** What became of a prefix of the series: 0 is the base, n the base with the first n patches. No I/O. */
export type StepState =
  | { readonly kind: 'broken'; readonly verdict: Untestable }
  /** Its kernel is that of the testable prefix before it; a guest could not tell them apart. */
  | { readonly kind: 'same'; readonly why: SameReason }
  | {
      readonly kind: 'ready';
      /** SHA-256 of the image; prefixes with one image share their trials. */
      readonly image: string;
      /** Why its silence is not to be believed: seeded bugs it did not show. Empty: all were seen. */
      readonly unproved: readonly string[];
    };

/** `image`: the same to the byte. Else its code is the same: what differs is line numbers, or nothing that is built. */
export type SameReason = 'image' | 'comments' | 'documents';

/** One trial of a prefix. */
export interface Trial {
  readonly step: number;
  readonly workload: string;
  /** `heard`: it went to its end with the detectors alive, so what it did not show was not there to be seen in it. */
  readonly state: 'heard' | 'masked' | 'not-run' | 'void';
  /** Why it is not heard, or what masked it. */
  readonly because?: string;
  readonly splats: readonly Sighting[];
}

/** A splat of a trial. */
export interface Sighting {
  /** Equal for what counts as one splat. */
  readonly key: string;
  readonly title: string;
  readonly signature: string;
}

export interface Evidence {
  readonly steps: ReadonlyMap<number, StepState>;
  readonly trials: readonly Trial[];
}

export const nothingKnown: Evidence = { steps: new Map(), trials: [] };

export function learnStep(evidence: Evidence, step: number, state: StepState): Evidence {
  return { ...evidence, steps: new Map(evidence.steps).set(step, state) };
}

export function learnTrial(evidence: Evidence, trial: Trial): Evidence {
  return { ...evidence, trials: [...evidence.trials, trial] };
}

/** The prefixes that can be tested and differ from the one before, in order: the places a splat can be at. */
export function placesOf({ steps }: Evidence): readonly number[] {
  return [...steps]
    .filter(([, state]) => state.kind === 'ready')
    .map(([step]) => step)
    .toSorted((a, b) => a - b);
}

/** All trials of a prefix's image. */
export function trialsOf(evidence: Evidence, step: number): readonly Trial[] {
  const image = imageOf(evidence, step);
  return evidence.trials.filter((trial) => imageOf(evidence, trial.step) === image);
}

function imageOf({ steps }: Evidence, step: number): string | undefined {
  const state = steps.get(step);
  return state?.kind === 'ready' ? state.image : undefined;
}

/** A splat that was seen anywhere, with the workloads that showed it. */
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

/** Trials of a place by what they say of a suspect; `voids` could not have shown it. */
export interface SuspectTally extends Tally {
  readonly voids: number;
}

/** The trials of each place in the workloads that ever showed the suspect. */
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

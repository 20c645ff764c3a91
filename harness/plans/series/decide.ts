import { bootWorkload } from '../../trial/ready-kernel.ts';
import {
  type Evidence,
  placesOf,
  type Suspect,
  suspectsOf,
  talliesOf,
  trialsOf,
} from './evidence.ts';
import { locate, mostTelling, type Presence } from './presence.ts';

/** The next trial to run: `workload` on the prefix with the first `step` patches. */
export interface Ask {
  readonly step: number;
  readonly workload: string;
  /** `floor`: a trial that looks for splats. `locate`: a trial that looks for the patch behind a splat. */
  readonly why: 'floor' | 'locate';
}

export interface Limits {
  /** A patch counts as the cause or the cure of a splat from this probability on; between 0.5 and 1. */
  readonly confidence: number;
  /** The number of trials of each workload on the last testable prefix, whichever functions the workload calls. */
  readonly elsewhere: number;
  /**
   * The number of trials of a workload on a class of prefixes, when the workload may call a function that the first patch of the
   * class changes. A splat that a later patch cures shows on these prefixes only.
   */
  readonly whereReached: number;
  /** The largest number of trials, over all prefixes together, that the search for the origin of one splat may take. */
  readonly perSplat: number;
}

/**
 * How many trials of a workload on a class of prefixes (classes.ts) may prove nothing. After this many trials, when none of them
 * could have shown a splat, the workload gets no further trial there.
 */
const mostVoids = 4;

/**
 * The next trial of a workload on the prefix `step`. Trials are needed until `floor` trials of the prefix's class could have
 * shown a splat. Undefined when the class has these trials, when too many of its trials could not have shown a splat, when the
 * workload cannot run on the prefix, and for a boot that was tried already.
 */
export function nextFloor(
  evidence: Evidence,
  { step, workload, places = [step] }: Floor,
  floor: number,
): Ask | undefined {
  const own = places
    .flatMap((place) => trialsOf(evidence, place))
    .filter((trial) => trial.workload === workload);
  const heard = own.filter(({ state }) => state === 'heard').length;
  // A boot takes as long as ten copies. Further boots only follow a splat that the first boot showed.
  if (workload === bootWorkload && own.length > 0) return undefined;
  const isHopeless = heard === 0 && own.length >= mostVoids;
  if (heard >= floor || isHopeless || own.length >= 2 * floor + mostVoids) return undefined;
  if (own.some(({ state, step: at }) => state === 'not-run' && at === step)) return undefined;
  return { step, workload, why: 'floor' };
}

/** A workload on a prefix. `places` has the prefixes of its class; absent: the class is the prefix alone. */
export interface Floor {
  readonly step: number;
  readonly workload: string;
  readonly places?: readonly number[];
}

/** A splat with its probable place in the series. */
export interface Located {
  readonly suspect: Suspect;
  readonly presence: Presence;
}

/** Every splat that a trial showed, with its probable place. */
export function locateAll(evidence: Evidence): readonly Located[] {
  return suspectsOf(evidence).map((suspect) => ({
    suspect,
    presence: locate(talliesOf(evidence, suspect)),
  }));
}

/** True when every patch's chance of bringing or curing the splat is near 0 or near 1. */
function isSettled({ came, went }: Presence, confidence: number): boolean {
  return [...came, ...went].every((chance) => chance <= 1 - confidence || chance >= confidence);
}

/**
 * The next trial that looks for the origin of a splat: of the first splat whose origin is not settled, the trial with the most
 * expected information. A splat is passed over when it had `perSplat` trials, or when no trial would help. Undefined when no
 * splat is left.
 */
export function nextLocate(evidence: Evidence, limits: Limits): Ask | undefined {
  const places = placesOf(evidence);
  for (const { suspect, presence } of locateAll(evidence)) {
    if (isSettled(presence, limits.confidence)) continue;
    const tallies = talliesOf(evidence, suspect);
    const trials = tallies.reduce((sum, { hits, misses, voids }) => sum + hits + misses + voids, 0);
    if (trials >= limits.perSplat) continue;
    const place = mostTelling(tallies, (at) => {
      const { hits = 0, misses = 0, voids = 0 } = tallies[at] ?? {};
      return voids < mostVoids + hits + misses;
    });
    const step = place === undefined ? undefined : places[place];
    if (step === undefined) continue;
    return { step, workload: bestWorkload(evidence, suspect), why: 'locate' };
  }
  return undefined;
}

/** The workload that shows the suspect in the largest share of its trials. */
function bestWorkload({ trials }: Evidence, { key, workloads }: Suspect): string {
  const rate = (workload: string): number => {
    const own = trials.filter((trial) => trial.workload === workload);
    return own.filter(({ splats }) => splats.some((one) => one.key === key)).length / own.length;
  };
  const [best = ''] = workloads.toSorted((a, b) => rate(b) - rate(a));
  return best;
}

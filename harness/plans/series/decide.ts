import { bootWorkload } from '../../trial/ready-kernel.ts';
import {
  type Evidence,
  placesOf,
  type Suspect,
  type SuspectPlace,
  suspectsOf,
  talliesOf,
  trialsOfAll,
} from './evidence.ts';
import { locate, mostTelling, type Presence } from './presence.ts';

/** The next trial of a series: `workload` on the kernel with the first `step` patches. */
export interface Ask {
  readonly step: number;
  readonly workload: string;
  /** `floor`: the trial looks for splats. `locate`: the trial looks for the patch that brought or cured a splat. */
  readonly why: 'floor' | 'locate';
}

export interface Limits {
  /** The probability from which a patch counts as the cause or the cure of a splat, between 0.5 and 1. */
  readonly confidence: number;
  /**
   * How many trials each workload gets on the last kernel of the series that can be tested. These trials look for splats elsewhere
   * than in the functions that the patches change. So a workload gets them even when it never calls these functions.
   */
  readonly elsewhere: number;
  /**
   * How many trials a workload has on a class of kernels when it may call a function that the first patch of the class changes.
   * The kernels of a class follow each other in the series and are equal for the workload. A splat that a later patch cures shows
   * only there.
   */
  readonly whereReached: number;
  /** For workloads that need fewer trials, by name: the share of `elsewhere` and `whereReached` that is enough, rounded up. */
  readonly shares?: Readonly<Record<string, number>>;
  /** The most trials, on all kernels of the series together, in the search for the patch behind one splat. */
  readonly perSplat: number;
}

/**
 * A workload gets no further trial on a class of kernels (classes.ts) after this many trials if no trial could have shown a splat.
 */
const mostVoids = 4;

/**
 * The next trial of a workload on the kernel with the first `step` patches. Trials are needed until `floor` trials, on this kernel
 * or on another kernel of its class, could have shown a splat. Returns undefined in four cases: so many trials could; too many
 * trials could not; the workload cannot run on this kernel; the workload is the boot, and was tried before.
 */
export function nextFloor(
  evidence: Evidence,
  { step, workload, places = [step] }: Floor,
  floor: number,
): Ask | undefined {
  const own = trialsOfAll(evidence, places).filter((trial) => trial.workload === workload);
  const heard = own.filter(({ state }) => state === 'heard').length;
  // A boot takes as long as ten copies of a booted guest. A boot is repeated only after a splat that the first boot showed.
  if (workload === bootWorkload && own.length > 0) return undefined;
  const isHopeless = heard === 0 && own.length >= mostVoids;
  if (heard >= floor || isHopeless || own.length >= 2 * floor + mostVoids) return undefined;
  if (own.some(({ state, step: at }) => state === 'not-run' && at === step)) return undefined;
  return { step, workload, why: 'floor' };
}

/**
 * A workload on the kernel with the first `step` patches. `places` has all kernels of this kernel's class; absent:
 * only this kernel.
 */
export interface Floor {
  readonly step: number;
  readonly workload: string;
  readonly places?: readonly number[];
}

/** A splat, with the probabilities of where in the series it came and went. */
export interface Located {
  readonly suspect: Suspect;
  /** The trials that tell about the splat, for each kernel that can be tested. */
  readonly places: readonly SuspectPlace[];
  readonly presence: Presence;
}

/** Each splat that a trial showed, with the probabilities of where in the series it came and went. */
export function locateAll(evidence: Evidence): readonly Located[] {
  return suspectsOf(evidence).map((suspect) => {
    const places = talliesOf(evidence, suspect);
    return { suspect, places, presence: locate(places) };
  });
}

/**
 * True when it is nearly certain which patch brought the splat and which cured it, or that no patch did. The sums of the
 * probabilities decide: in a long series no single patch may be suspicious, even when some patch certainly brought the splat.
 */
function isSettled({ came, went }: Presence, confidence: number): boolean {
  return [came, went].every((chances) => isCertain(chances, confidence));
}

/**
 * `chances` has, for each patch, the probability that it made a change. Returns true when one patch certainly did, or
 * certainly no patch.
 */
export function isCertain(chances: readonly number[], confidence: number): boolean {
  const sum = chances.reduce((total, chance) => total + chance, 0);
  return sum <= 1 - confidence || chances.some((chance) => chance >= confidence);
}

/**
 * The next trial that looks for the origin of a splat. The trial is for the first splat whose origin is not certain yet, and runs
 * on the kernel that promises the most information. A splat is passed over after `perSplat` trials, and when no trial would help.
 * Returns undefined when no splat is left.
 */
export function nextLocate(evidence: Evidence, limits: Limits): Ask | undefined {
  const steps = placesOf(evidence);
  for (const { suspect, places, presence } of locateAll(evidence)) {
    if (isSettled(presence, limits.confidence)) continue;
    const trials = places
      .flatMap(({ tallies }) => tallies)
      .reduce((sum, { hits, misses, voids }) => sum + hits + misses + voids, 0);
    if (trials >= limits.perSplat) continue;
    const workload = bestWorkload(evidence, suspect);
    const own = suspect.workloads.indexOf(workload);
    const place = mostTelling(places, own, (at) => {
      const { hits = 0, misses = 0, voids = 0 } = places[at]?.tallies[own] ?? {};
      return voids < mostVoids + hits + misses;
    });
    const step = place === undefined ? undefined : steps[place];
    if (step === undefined) continue;
    return { step, workload, why: 'locate' };
  }
  return undefined;
}

/** The workload that shows the splat in the largest share of its trials. */
function bestWorkload({ trials }: Evidence, { key, workloads }: Suspect): string {
  const rate = (workload: string): number => {
    const own = trials.filter((trial) => trial.workload === workload);
    return own.filter(({ splats }) => splats.some((one) => one.key === key)).length / own.length;
  };
  const [best = ''] = workloads.toSorted((a, b) => rate(b) - rate(a));
  return best;
}

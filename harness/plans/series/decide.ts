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

/** Trials to run next. */
export interface Ask {
  readonly step: number;
  readonly workload: string;
  readonly runs: number;
  /** `floor`: so that what is there has a chance to be seen; `locate`: to find the patch of what was seen. */
  readonly why: 'floor' | 'locate';
}

export interface Limits {
  /** A patch brought or cured a splat when that is as probable as this. Between 0.5 and 1. */
  readonly confidence: number;
  /** Trials of each workload on each prefix, and on the last one that can be tested. */
  readonly perPrefix: number;
  readonly atHead: number;
  /** Trials, on each prefix, of a workload that may call what the series changes: what comes and goes shows there alone. */
  readonly whereReached: number;
  /** Trials of one splat's workloads, on all prefixes together, before it is given up. */
  readonly perSplat: number;
}

/** Trials in a row that could not have shown anything, before nobody tries again. */
const mostVoids = 6;

/** What a prefix still needs before it was looked at: of each workload the trials of `floorOf` that could have shown something. */
export function nextFloor(
  evidence: Evidence,
  step: number,
  workloads: readonly string[],
  floorOf: (workload: string) => number,
): Ask | undefined {
  const trials = trialsOf(evidence, step);
  for (const workload of workloads) {
    const floor = floorOf(workload);
    const own = trials.filter((trial) => trial.workload === workload);
    const heard = own.filter(({ state }) => state === 'heard').length;
    // A boot takes as long as ten copies; more than one only looks for what one has shown.
    if (workload === bootWorkload && own.length > 0) continue;
    const isHopeless = heard === 0 && own.length >= mostVoids;
    if (heard >= floor || isHopeless || own.length >= 2 * floor + mostVoids) continue;
    if (own.some(({ state }) => state === 'not-run')) continue;
    return { step, workload, runs: workload === bootWorkload ? 1 : floor - heard, why: 'floor' };
  }
  return undefined;
}

/** A suspect with what is known of where it is. */
export interface Located {
  readonly suspect: Suspect;
  readonly presence: Presence;
}

export function locateAll(evidence: Evidence): readonly Located[] {
  return suspectsOf(evidence).map((suspect) => ({
    suspect,
    presence: locate(talliesOf(evidence, suspect)),
  }));
}

/** True when it is certain of every patch whether it brought the splat, and whether it cured it. */
function isSettled({ came, went }: Presence, confidence: number): boolean {
  return [...came, ...went].every((chance) => chance <= 1 - confidence || chance >= confidence);
}

/** The trial that tells most about where a splat came from; undefined when all is certain or cannot become so. */
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
    return { step, workload: bestWorkload(evidence, suspect), runs: 1, why: 'locate' };
  }
  return undefined;
}

/** The workload that shows the suspect most often. */
function bestWorkload({ trials }: Evidence, { key, workloads }: Suspect): string {
  const rate = (workload: string): number => {
    const own = trials.filter((trial) => trial.workload === workload);
    return own.filter(({ splats }) => splats.some((one) => one.key === key)).length / own.length;
  };
  const [best = ''] = workloads.toSorted((a, b) => rate(b) - rate(a));
  return best;
}

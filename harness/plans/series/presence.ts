import { hasSplat, listPaths, type Path } from './paths.ts';
import { logEvidence } from './rare-rates.ts';
import type { Place } from './tally.ts';

/**
 * Where in a series a splat came and went, with probabilities that locate() computes from trials. A patch may bring the splat, a
 * later patch may remove it, and so on; paths.ts lists what may have happened.
 */

export interface Presence {
  /** For each kernel of the series that can be tested, in order: the probability that it has the splat. */
  readonly present: readonly number[];
  /**
   * For each kernel of the series that can be tested, in order: the probability that the splat came between the kernel before and
   * this kernel. 0 for the first.
   */
  readonly came: readonly number[];
  /**
   * For each kernel of the series that can be tested, in order: the probability that the splat went between the kernel before and
   * this kernel. 0 for the first.
   */
  readonly went: readonly number[];
  /**
   * The expected share of the trials of a kernel with the splat that show it, from 0 to 1. When several workloads show the splat,
   * each counts in proportion to its trials.
   */
  readonly rate: number;
}

/** Computes where in the series a splat came and went. `places` has the kernels that can be tested, in order. Pure. */
export function locate(places: readonly Place[]): Presence {
  const paths = listPaths(places);
  const present = places.map(() => 0);
  for (const { atBase, flips, weight } of paths) {
    const ends = [...(atBase ? [0] : []), ...flips, places.length];
    for (let at = 0; at + 1 < ends.length; at += 2) {
      for (let place = ends[at] ?? 0; place < (ends[at + 1] ?? 0); place += 1) {
        present[place] = Math.min(1, (present[place] ?? 0) + weight);
      }
    }
  }
  const changes = addChanges(paths, places.length, ({ weight }) => weight);
  return { present, ...changes, rate: rateOf(places, paths) };
}

type Changes = Pick<Presence, 'came' | 'went'>;

/** Adds up where the splat comes and goes. Each path counts with its weight; the weights may have any sum. */
function addChanges(
  paths: readonly Path[],
  count: number,
  weightOf: (path: Path, index: number) => number,
): Changes {
  const came = Array.from({ length: count }, () => 0);
  const went = Array.from({ length: count }, () => 0);
  let sum = 0;
  for (const [index, path] of paths.entries()) {
    const weight = weightOf(path, index);
    if (weight === 0) continue;
    sum += weight;
    let isPresent = path.atBase;
    for (const flip of path.flips) {
      const list = isPresent ? went : came;
      list[flip] = (list[flip] ?? 0) + weight;
      isPresent = !isPresent;
    }
  }
  const share = (chance: number): number => (sum === 0 ? 0 : Math.min(1, chance / sum));
  return { came: came.map(share), went: went.map(share) };
}

function rateOf(places: readonly Place[], paths: readonly Path[]): number {
  const workloads = places[0]?.tallies ?? [];
  const trials = workloads.map((_, at) =>
    places.reduce(
      (sum, { tallies }) => sum + (tallies[at]?.hits ?? 0) + (tallies[at]?.misses ?? 0),
      0,
    ),
  );
  const all = trials.reduce((sum, one) => sum + one, 0);
  return workloads.reduce((sum, _, at) => {
    const rate = paths.reduce((mean, path) => mean + path.weight * factor(path, at, 'hits'), 0);
    return sum + rate * (all === 0 ? 1 / workloads.length : (trials[at] ?? 0) / all);
  }, 0);
}

/** The chance that one more trial of a workload, on a kernel with the splat, is a hit or a miss. */
function factor({ counts }: Path, workload: number, what: 'hits' | 'misses'): number {
  const before = counts[workload] ?? { hits: 0, misses: 0 };
  return Math.exp(logEvidence({ ...before, [what]: before[what] + 1 }) - logEvidence(before));
}

/** The remaining uncertainty about which patches brought and cured a splat, in bits. */
export function openBits({ came, went }: Changes): number {
  return [...came, ...went].reduce((sum, chance) => sum + bits(chance), 0);
}

function bits(chance: number): number {
  if (chance <= 0 || chance >= 1) return 0;
  return -chance * Math.log2(chance) - (1 - chance) * Math.log2(1 - chance);
}

/**
 * The kernel whose next trial of a workload promises the most information, as an index into `places`. `workload` is an index into
 * the tallies of a place. Undefined when `canTry` is false for every kernel.
 */
export function mostTelling(
  places: readonly Place[],
  workload: number,
  canTry: (place: number) => boolean,
): number | undefined {
  const paths = listPaths(places);
  const count = places.length;
  const hit = paths.map((path) => path.weight * factor(path, workload, 'hits'));
  const miss = paths.map((path) => path.weight * factor(path, workload, 'misses'));
  const open = openBits(addChanges(paths, count, ({ weight }) => weight));
  let best: { readonly place: number; readonly gain: number } | undefined;
  for (const [place, { twin }] of places.entries()) {
    if (twin !== undefined || !canTry(place)) continue;
    const has = paths.map((path) => hasSplat(path, place));
    const shown = hit.reduce((sum, weight, at) => sum + (has[at] === true ? weight : 0), 0);
    const afterHit = addChanges(paths, count, (_, at) => (has[at] === true ? (hit[at] ?? 0) : 0));
    const afterMiss = addChanges(paths, count, ({ weight }, at) =>
      has[at] === true ? (miss[at] ?? 0) : weight,
    );
    const gain = open - shown * openBits(afterHit) - (1 - shown) * openBits(afterMiss);
    if (best === undefined || gain > best.gain) best = { place, gain };
  }
  return best?.place;
}

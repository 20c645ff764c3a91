import { rates } from '../../trial/rate.ts';

/**
 * Finds where in a series a splat came and went, from trials of its kernels. The model is a hidden chain of two states: a patch
 * may bring the splat, a later patch may remove it, and so on. The rate at which a kernel with the splat shows it is unknown,
 * equal for all kernels, and weighed as in a bisection. Pure.
 */

/** How the trials of one kernel ended that could have shown the splat: `hits` showed it, `misses` did not. */
export interface Tally {
  readonly hits: number;
  readonly misses: number;
}

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
  /** The expected share of the trials of a kernel with the splat that show it, from 0 to 1. */
  readonly rate: number;
}

/**
 * Probabilities before any trial: that the base has a given splat, that a patch of the series brings it, and that a patch cures
 * it. Few splats are cured by the series that brought them.
 */
const priorOfBase = 0.5;
const priorOfComing = 0.5;
const priorOfGoing = 0.2;

/** The probabilities under the assumption of one rate, and the logarithm of the weight of that rate. */
interface UnderRate extends Omit<Presence, 'rate'> {
  readonly rate: number;
  readonly logWeight: number;
}

/** Computes where in the series a splat came and went. `tallies` has the trials of each kernel that can be tested, in order. */
export function locate(tallies: readonly Tally[]): Presence {
  const under = rates.map(({ rate, weight }) => followChain(tallies, rate, Math.log(weight)));
  const largest = Math.max(...under.map(({ logWeight }) => logWeight));
  const weights = under.map(({ logWeight }) => Math.exp(logWeight - largest));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const mean = (pick: (one: UnderRate) => number): number =>
    under.reduce((sum, one, at) => sum + (weights[at] ?? 0) * pick(one), 0) / total;
  const along = (field: 'present' | 'came' | 'went'): readonly number[] =>
    tallies.map((_, at) => mean((one) => one[field][at] ?? 0));
  return {
    present: along('present'),
    came: along('came'),
    went: along('went'),
    rate: mean(({ rate }) => rate),
  };
}

/**
 * Goes through the chain forward and backward (Rabiner 1989), for one assumed rate. In a pair of numbers the first is for a
 * kernel without the splat, the second for a kernel with it.
 */
function followChain(tallies: readonly Tally[], rate: number, logPrior: number): UnderRate {
  const patches = Math.max(1, tallies.length - 1);
  const coming = priorOfComing / patches;
  const going = priorOfGoing / patches;
  const seen = tallies.map((tally) => likelihood(tally, rate));
  const forward: Pair[] = [];
  let logWeight = logPrior;
  let state: Pair = [1 - priorOfBase, priorOfBase];
  for (const [at, [absent, present, logScale]] of seen.entries()) {
    if (at > 0) {
      state = [
        state[0] * (1 - coming) + state[1] * going,
        state[0] * coming + state[1] * (1 - going),
      ];
    }
    const raw: Pair = [state[0] * absent, state[1] * present];
    const sum = raw[0] + raw[1];
    logWeight += Math.log(sum) + logScale;
    state = [raw[0] / sum, raw[1] / sum];
    forward.push(state);
  }
  const count = tallies.length;
  const present = tallies.map(() => 0);
  const came = tallies.map(() => 0);
  const went = tallies.map(() => 0);
  let behind: Pair = [1, 1];
  for (let at = count - 1; at >= 0; at -= 1) {
    const [f0, f1] = forward[at] ?? [0, 0];
    present[at] = (f1 * behind[1]) / (f0 * behind[0] + f1 * behind[1]);
    if (at === 0) break;
    const [absent, shown] = seen[at] ?? [1, 1];
    const ahead: Pair = [absent * behind[0], shown * behind[1]];
    const [before0, before1] = forward[at - 1] ?? [0, 0];
    const stays0 = before0 * (1 - coming) * ahead[0];
    const comes = before0 * coming * ahead[1];
    const goes = before1 * going * ahead[0];
    const stays1 = before1 * (1 - going) * ahead[1];
    const sum = stays0 + comes + goes + stays1;
    came[at] = comes / sum;
    went[at] = goes / sum;
    const next: Pair = [
      (1 - coming) * ahead[0] + coming * ahead[1],
      going * ahead[0] + (1 - going) * ahead[1],
    ];
    const scale = next[0] + next[1];
    behind = [next[0] / scale, next[1] / scale];
  }
  return { present, came, went, rate, logWeight };
}

type Pair = readonly [absent: number, present: number];

/**
 * How likely the trials of a kernel are if the splat is absent (first number), and if it is present (second). Both are divided by
 * exp(third number), so that the larger is 1.
 */
function likelihood({ hits, misses }: Tally, rate: number): readonly [number, number, number] {
  // 0 × log 0 is 0 here: a splat that shows in every trial was never missed.
  const missed = misses === 0 ? 0 : misses * Math.log(1 - rate);
  const present = hits * Math.log(rate) + missed;
  const absent = hits > 0 ? Number.NEGATIVE_INFINITY : 0;
  const scale = Math.max(present, absent);
  // With the rate 1 no trial can miss, so a miss leaves this rate almost no weight.
  if (scale === Number.NEGATIVE_INFINITY) return [1e-300, 1e-300, -690];
  return [Math.exp(absent - scale), Math.exp(present - scale), scale];
}

/** The remaining uncertainty about which patches brought and cured a splat, in bits. */
export function openBits({ came, went }: Presence): number {
  return [...came, ...went].reduce((sum, chance) => sum + bits(chance), 0);
}

function bits(chance: number): number {
  if (chance <= 0 || chance >= 1) return 0;
  return -chance * Math.log2(chance) - (1 - chance) * Math.log2(1 - chance);
}

/**
 * The kernel whose next trial promises the most information, as an index into `tallies`. Undefined when `canTry` is false for
 * every kernel.
 */
export function mostTelling(
  tallies: readonly Tally[],
  canTry: (place: number) => boolean,
): number | undefined {
  const now = locate(tallies);
  const open = openBits(now);
  let best: { readonly place: number; readonly gain: number } | undefined;
  for (const place of tallies.keys()) {
    if (!canTry(place)) continue;
    const shown = (now.present[place] ?? 0) * now.rate;
    const after = (hit: boolean): number =>
      openBits(
        locate(
          tallies.map((tally, at) => {
            if (at !== place) return tally;
            return hit
              ? { ...tally, hits: tally.hits + 1 }
              : { ...tally, misses: tally.misses + 1 };
          }),
        ),
      );
    const gain = open - (shown > 0 ? shown * after(true) : 0) - (1 - shown) * after(false);
    if (best === undefined || gain > best.gain) best = { place, gain };
  }
  return best?.place;
}

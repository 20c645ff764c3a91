import { logEvidence } from './rare-rates.ts';
import type { Place, Tally } from './tally.ts';

/**
 * One explanation of the trials of a series: which of its kernels have a splat. `flips` lists, in order, the places (indices of
 * kernels) at which this changes: the splat comes there if it was absent before, and goes if it was present.
 */
export interface Path {
  /** True when the first kernel has the splat. */
  readonly atBase: boolean;
  readonly flips: readonly number[];
  /** For each workload: its trials on the kernels that have the splat. */
  readonly counts: readonly Tally[];
  /** How probable the path is. The sum over all paths is 1. */
  readonly weight: number;
}

/**
 * Probabilities before any trial: that the base has a given splat; that the patches of the series, together, bring it; that they
 * cure it; and that they bring it again after they cured it. Most splats that show in the trials of a series are older than the
 * series, few are cured by the series that brought them, and hardly any comes back.
 */
const priorOfBase = 0.5;
const priorOfComing = 0.2;
const priorOfGoing = 0.2;
const priorOfComingAgain = 0.02;

/** A path up to some place. */
interface Draft {
  readonly atBase: boolean;
  readonly isPresent: boolean;
  readonly flips: readonly number[];
  readonly logPrior: number;
  /** For each workload: the misses on kernels with the splat. */
  readonly misses: readonly number[];
  /** The logarithm of the likelihood, with all hits of the series and with these misses. */
  readonly likelihood: number;
}

/**
 * Lists the paths that explain the trials, each with its probability. Paths that are too improbable to change a verdict are left
 * out. Two kernels with equal images either both have the splat, or both lack it.
 *
 * The rate at which a kernel with the splat shows the splat is unknown. A workload has one rate on all kernels, and each workload
 * has a rate of its own. So the likelihood of a path is a product over the workloads. Each factor is an integral over the rate of
 * the workload (logEvidence()) and depends only on the hits and misses on kernels with the splat; all hits are on such kernels.
 */
export function listPaths(places: readonly Place[]): readonly Path[] {
  const workloads = places[0]?.tallies ?? [];
  const hits = workloads.map((_, at) => add(places.map(({ tallies }) => tallies[at]?.hits ?? 0)));
  // A kernel that showed the splat has it on every path. Its misses count from the beginning, so that drafts can be compared.
  const certain = workloads.map((_, at) =>
    add(places.map((place) => (isShown(place) ? (place.tallies[at]?.misses ?? 0) : 0))),
  );
  const chain = openChain(places, hits);
  const likelihood = chain.likelihoodOf(certain);
  let drafts: readonly Draft[] = [false, true].map((isPresent) => ({
    atBase: isPresent,
    isPresent,
    flips: [],
    logPrior: Math.log(isPresent ? priorOfBase : 1 - priorOfBase),
    misses: certain,
    likelihood,
  }));
  for (const at of places.keys()) drafts = advance(drafts, at, chain);
  const best = bestOf(drafts);
  const sum = add(drafts.map((draft) => Math.exp(scoreOf(draft) - best)));
  return drafts.map((draft) => ({
    atBase: draft.atBase,
    flips: draft.flips,
    counts: draft.misses.map((misses, at) => ({ hits: hits[at] ?? 0, misses })),
    weight: Math.exp(scoreOf(draft) - best) / sum,
  }));
}

interface Chain {
  readonly places: readonly Place[];
  readonly likelihoodOf: (misses: readonly number[]) => number;
  /** The probability that the patch of the next place changes whether the splat is there. */
  readonly chanceOfFlip: (draft: Draft) => number;
  /**
   * A path is left out at the first place at which another path explains the trials so far better by this much (a difference of
   * natural logarithms). The margin is larger than the cost of two changes.
   */
  readonly margin: number;
}

function openChain(places: readonly Place[], hits: readonly number[]): Chain {
  const patches = Math.max(1, places.length - 1);
  return {
    places,
    likelihoodOf: (misses) =>
      add(misses.map((own, at) => logEvidence({ hits: hits[at] ?? 0, misses: own }))),
    chanceOfFlip: ({ isPresent, atBase, flips }) => {
      if (isPresent) return priorOfGoing / patches;
      return (atBase || flips.length > 0 ? priorOfComingAgain : priorOfComing) / patches;
    },
    margin: 3 - Math.log(priorOfComing / patches) - Math.log(priorOfGoing / patches),
  };
}

/** Continues each path at the next place in two ways: without a change, and with a change (the splat comes or goes). */
function advance(drafts: readonly Draft[], at: number, chain: Chain): readonly Draft[] {
  const next: Draft[] = [];
  let best = Number.NEGATIVE_INFINITY;
  const keep = (draft: Draft): void => {
    const score = scoreOf(draft);
    if (score <= best - chain.margin) return;
    next.push(draft);
    if (score > best) best = score;
  };
  for (const draft of drafts) {
    if (!isPossible(draft, draft.isPresent, chain.places[at])) continue;
    const stays = at === 0 ? 0 : Math.log1p(-chain.chanceOfFlip(draft));
    keep(heard({ ...draft, logPrior: draft.logPrior + stays }, at, chain));
  }
  for (const draft of at === 0 ? [] : drafts) {
    if (!isPossible(draft, !draft.isPresent, chain.places[at])) continue;
    const logPrior = draft.logPrior + Math.log(chain.chanceOfFlip(draft));
    // The trials of this place can only make the path less probable.
    if (logPrior + draft.likelihood <= best - chain.margin) continue;
    const flips = [...draft.flips, at];
    keep(heard({ ...draft, isPresent: !draft.isPresent, flips, logPrior }, at, chain));
  }
  return next.filter((draft) => scoreOf(draft) > best - chain.margin);
}

/** Adds the misses of the place `at` to a path that has the splat there. Returns any other path unchanged. */
function heard(draft: Draft, at: number, { places, likelihoodOf }: Chain): Draft {
  const place = places[at];
  if (place === undefined || !draft.isPresent || isShown(place)) return draft;
  if (place.twin !== undefined || place.tallies.every((tally) => tally.misses === 0)) return draft;
  const misses = draft.misses.map((own, one) => own + (place.tallies[one]?.misses ?? 0));
  return { ...draft, misses, likelihood: likelihoodOf(misses) };
}

/**
 * True when a path may have the splat at a place, or may lack it if not `isPresent`. A kernel that showed the splat has it;
 * equal images agree.
 */
function isPossible(draft: Draft, isPresent: boolean, place: Place | undefined): boolean {
  if (place?.twin !== undefined && hasSplat(draft, place.twin) !== isPresent) return false;
  return isPresent || place === undefined || !isShown(place);
}

/** True when a path has the splat at a place. */
export function hasSplat(
  { atBase, flips }: Pick<Path, 'atBase' | 'flips'>,
  place: number,
): boolean {
  const before = flips.findLastIndex((flip) => flip <= place) + 1;
  return (before % 2 === 1) !== atBase;
}

function isShown({ tallies }: Place): boolean {
  return tallies.some(({ hits }) => hits > 0);
}

function scoreOf({ logPrior, likelihood }: Draft): number {
  return logPrior + likelihood;
}

function bestOf(drafts: readonly Draft[]): number {
  return drafts.reduce((best, draft) => Math.max(best, scoreOf(draft)), Number.NEGATIVE_INFINITY);
}

function add(numbers: readonly number[]): number {
  return numbers.reduce((sum, one) => sum + one, 0);
}

import type { PrefixTrial, StepState } from '../../records/series-journal.ts';
import { inParallel } from '../../trial/parallel.ts';
import { bootWorkload } from '../../trial/ready-kernel.ts';
import { classesOf, countHeard, type ReachOf } from './classes.ts';
import { type Ask, type Limits, nextFloor, nextLocate } from './decide.ts';
import {
  type Evidence,
  endedAs,
  learnStep,
  learnTrial,
  neverRan,
  placesOf,
  trialsOf,
} from './evidence.ts';

/** Builds, boots and tries the kernels of a series, which may be real or simulated. */
export interface Tester {
  /**
   * Builds the kernel with the first `step` patches and boots it, unless this kernel is equal to an earlier kernel of the series.
   * `before` is the last earlier kernel that was booted; undefined when there is none.
   */
  readonly prepare: (step: number, before: number | undefined) => Promise<StepState>;
  /**
   * Returns the trials of an earlier version of the series on an equal kernel image. Called once for each kernel, after prepare().
   * Absent: no earlier trials may be reused.
   */
  readonly recall?: (step: number) => Promise<readonly PrefixTrial[]>;
  /**
   * Runs a trial on the kernel with the first `step` patches. `index` is the number of earlier trials of this workload on
   * this kernel's image.
   */
  readonly trial: (step: number, workload: string, index: number) => Promise<PrefixTrial>;
  /** Tells whether a workload calls code that patches change, as far as the trials so far show it. */
  readonly reach: ReachOf;
}

export interface WalkRequest {
  /** The number of patches in the series, or in the branch that leaves a patch out. */
  readonly count: number;
  readonly workloads: readonly string[];
  readonly limits: Limits;
  readonly tester: Tester;
  /** How many trials run at the same time. */
  readonly parallel: number;
  /** What the journal has from before an interruption: which kernels can be tested, and their trials. */
  readonly evidence: Evidence;
  /** Called before the kernel with the first `step` patches is built. */
  readonly onStep?: (step: number) => void;
  /**
   * Called whenever verdicts are worth showing. The first call comes when the last kernel has its first trials. Another call
   * follows each time when all classes of kernels have reached a number of trials from floorsUpTo(), except for the last number.
   * `left` is the number of remaining trials if no further trial shows a splat.
   */
  readonly onSoFar?: (evidence: Evidence, left: number) => void;
}

type Next = (known: Evidence) => Ask | undefined;

/**
 * Builds and boots all kernels of a series in order, and meanwhile runs early trials on the kernels that are ready. Then tries the
 * last kernel, next the kernels whose patches a workload may call, and finally the kernels that tell most about the splats so far.
 * Stops at once when the base cannot be tested. Returns all evidence.
 */
export async function walkSeries(request: WalkRequest): Promise<Evidence> {
  const walk = openWalk(request);
  await walk.prepareAll();
  const { workloads, limits, onSoFar } = request;
  // Without a base no patch can be judged.
  if (walk.known().steps.get(0)?.kind === 'broken') return walk.known();
  const head = placesOf(walk.known()).at(-1) ?? 0;
  await walk.run((known) =>
    firstOf(workloads, (workload) =>
      nextFloor(known, { step: head, workload }, shareOf(limits.elsewhere, workload, limits)),
    ),
  );
  await walk.run((known) => nextVanished(known, head, workloads));
  for (const floor of floorsUpTo(limits)) {
    onSoFar?.(walk.known(), trialsLeft(walk.known(), request));
    await walk.run((known) => nextInClasses(known, floor, request));
  }
  await walk.run((known) => nextLocate(known, limits));
  return walk.known();
}

/** The numbers of trials to which all classes of kernels are brought, one number after the other, such as 4, 8, 16. */
function floorsUpTo({ elsewhere, whereReached }: Limits): readonly number[] {
  const floors: number[] = [];
  for (let floor = 2 * elsewhere; floor < whereReached; floor *= 2) floors.push(floor);
  return [...floors, whereReached];
}

/** The number of trials that a workload needs when an ordinary workload needs `trials`. */
function shareOf(trials: number, workload: string, { shares = {} }: Limits): number {
  return Math.ceil(trials * (shares[workload] ?? 1));
}

function firstOf<T>(items: readonly T[], pick: (item: T) => Ask | undefined): Ask | undefined {
  for (const item of items) {
    const ask = pick(item);
    if (ask !== undefined) return ask;
  }
  return undefined;
}

/**
 * The next trial that is needed whatever later trials show; undefined when there is none. Three kinds are needed. The first is a
 * trial of each workload on the base, which tells what the workload calls. The second is a boot of every other kernel. The third
 * are `whereReached` trials on a kernel whose last patch changes code that the workload certainly calls.
 */
function nextEarly(known: Evidence, { workloads, limits, tester }: WalkRequest): Ask | undefined {
  const places = placesOf(known);
  const early = (step: number, workload: string): Ask | undefined =>
    nextFloor(known, { step, workload }, 1);
  return firstOf(places, (step) => {
    const before = places[places.indexOf(step) - 1];
    if (before === undefined) return firstOf(workloads, (workload) => early(step, workload));
    return firstOf(workloads, (workload) => {
      if (workload === bootWorkload) return early(step, workload);
      const isReached = tester.reach(before, step, workload) === 'yes';
      const floor = shareOf(limits.whereReached, workload, limits);
      return isReached ? nextFloor(known, { step, workload }, floor) : undefined;
    });
  });
}

/**
 * The next trial of a workload that ran on the base but cannot run on the last kernel. Such a workload is tried once on every
 * kernel of the series, to find the kernel from which on it cannot run. Undefined when no such trial is missing.
 */
function nextVanished(
  known: Evidence,
  head: number,
  workloads: readonly string[],
): Ask | undefined {
  const gone = workloads.filter(
    (workload) =>
      endedAs(known, { step: head, workload, state: 'not-run' }) &&
      endedAs(known, { step: 0, workload, state: 'heard' }),
  );
  return firstOf(placesOf(known), (step) =>
    firstOf(gone, (workload) => nextFloor(known, { step, workload }, 1)),
  );
}

/**
 * Yields the next trial for each class of kernels that has fewer than `floor` trials of a workload, and how many trials are
 * missing. The class of the base gets no trial, because no patch made the base. The base is tried again only to find where a
 * splat came from.
 */
function* openClasses(
  known: Evidence,
  floor: number,
  { workloads, limits, tester }: WalkRequest,
): Generator<{ readonly ask: Ask; readonly missing: number }> {
  for (const workload of workloads) {
    if (workload === bootWorkload || neverRan(known, workload)) continue;
    const own = shareOf(floor, workload, limits);
    for (const places of classesOf(known, workload, tester.reach)) {
      const [step = 0] = places;
      const ask = step === 0 ? undefined : nextFloor(known, { step, workload, places }, own);
      if (ask !== undefined) yield { ask, missing: own - countHeard(known, workload, places) };
    }
  }
}

/** The next trial that brings a class of kernels to `floor` trials; undefined when all have them. */
function nextInClasses(known: Evidence, floor: number, request: WalkRequest): Ask | undefined {
  const [first] = openClasses(known, floor, request);
  return first?.ask;
}

/** The number of trials that remain before the search for the origins of splats, if no further trial shows a splat. */
function trialsLeft(known: Evidence, request: WalkRequest): number {
  const open = [...openClasses(known, request.limits.whereReached, request)];
  return open.reduce((sum, { missing }) => sum + missing, 0);
}

interface OpenWalk {
  readonly known: () => Evidence;
  /** Builds and boots all kernels of the series, and meanwhile runs early trials. */
  readonly prepareAll: () => Promise<void>;
  /** Runs trials until `next` returns undefined. */
  readonly run: (next: Next) => Promise<void>;
}

function openWalk(request: WalkRequest): OpenWalk {
  const { count, tester, parallel } = request;
  let { evidence } = request;
  const state = { news: 0, isOver: false, isStopped: false };
  let wake: (() => void) | undefined;
  const tell = (): void => {
    state.news += 1;
    wake?.();
  };
  const prepare = async (step: number): Promise<void> => {
    request.onStep?.(step);
    const prepared = await tester.prepare(step, placesOf(evidence).at(-1));
    const recalled = (await tester.recall?.(step)) ?? [];
    // The state and the recalled trials are learned in one assignment. Between two, an early trial could repeat a recalled trial.
    evidence = recalled.reduce(learnTrial, learnStep(evidence, step, prepared));
  };
  const prepareEach = async (): Promise<void> => {
    for (let step = 0; step <= count && !state.isStopped; step += 1) {
      if (!evidence.steps.has(step)) await prepare(step);
      tell();
      if (evidence.steps.get(0)?.kind === 'broken') return;
    }
  };
  const runBatch = async (next: Next): Promise<boolean> => {
    const asks = planBatch(evidence, next, parallel);
    const trials = await inParallel(asks, parallel, async ({ step, workload, index }) =>
      tester.trial(step, workload, index),
    );
    for (const trial of trials) evidence = learnTrial(evidence, trial);
    return asks.length > 0;
  };
  const runEarly = async (): Promise<void> => {
    for (;;) {
      const seen = state.news;
      // Another kernel may have become ready meanwhile.
      if ((await runBatch((known) => nextEarly(known, request))) || state.news !== seen) continue;
      if (state.isOver) return;
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  };
  return {
    known: () => evidence,
    prepareAll: async () => {
      const preparing = prepareEach().finally(() => {
        state.isOver = true;
        tell();
      });
      const trying = runEarly().finally(() => {
        state.isStopped = true;
      });
      const ends = await Promise.allSettled([preparing, trying]);
      for (const end of ends) if (end.status === 'rejected') throw end.reason;
    },
    run: async (next) => {
      while (await runBatch(next));
    },
  };
}

/**
 * At most `size` trials to run at the same time. Each is chosen as if the trials before it in the list showed nothing, so the
 * choice does not depend on which trial ends first.
 */
function planBatch(
  evidence: Evidence,
  next: Next,
  size: number,
): readonly (Ask & { readonly index: number })[] {
  const asks: (Ask & { readonly index: number })[] = [];
  let known = evidence;
  while (asks.length < size) {
    const ask = next(known);
    if (ask === undefined) break;
    const { step, workload } = ask;
    const own = trialsOf(known, step).filter((trial) => trial.workload === workload);
    asks.push({ ...ask, index: own.length });
    known = learnTrial(known, { step, workload, state: 'heard', splats: [] });
  }
  return asks;
}

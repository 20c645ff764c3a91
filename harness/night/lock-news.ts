import { chanceOfLuck } from './statistics.ts';

/**
 * How many times a dependency was looked for and seen. A *look* is the first trial of a workload on one boot of one image;
 * further trials on that boot add no look. Copies of a boot are not independent, because they share what the boot learned.
 * Another night on the same image adds no look either, because it uses the saved boots of that image. A look is compared only
 * with looks of the same cell and the same setting (splat, guest, QEMU, fragments, program): what a change of the setting brings
 * is not the kernel's doing.
 */
export interface LockCounts {
  /** The looks before the dependency was first seen. */
  readonly before: number;
  /** The looks since then, including those on the image that first showed it. */
  readonly after: number;
  readonly hits: number;
}

/** The highest probability with which a night may report a dependency that is not new. */
const mostFalse = 0.002;

/**
 * The probability that a dependency which was always there first shows as late as this dependency. It is the chance that all its
 * hits fall into the looks after its first sight, when the looks of all nights are in random order.
 */
export function lateChance({ before, after, hits }: LockCounts): number {
  return chanceOfLuck({ hits, trials: after }, before);
}

/**
 * True when the counts say that a dependency is new. Among thousands of dependencies that were always there and seldom show, some
 * first show late by chance. So the limit is divided by `candidates`: the number of all dependencies that came after the first
 * look of their cell and setting, including old and reported dependencies.
 */
export function isLockNews(counts: LockCounts, candidates: number): boolean {
  return lateChance(counts) <= mostFalse / Math.max(1, candidates);
}

/**
 * True when no more looks are counted: after three times as many looks as before the first sight, further looks hardly change the
 * answer.
 */
export function isSettled({ before, after }: Pick<LockCounts, 'before' | 'after'>): boolean {
  return after > 3 * before;
}

/** The share of cases in which a dependency came before the range that is reported for it. */
const outOfRange = 0.05;

/**
 * How many looks without the dependency, counted back from its first sight, show that it was not there yet: if it had been there,
 * one of them would very probably have shown it. A dependency that every look shows needs few.
 */
export function silentLooks({ after, hits, before }: LockCounts): number {
  let silent = 1;
  // The small addend keeps 1/20 from being missed by rounding.
  const most = outOfRange + 1e-9;
  while (silent < before && lateChance({ before: silent, after, hits }) > most) silent += 1;
  return silent;
}

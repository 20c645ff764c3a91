import { chanceOfLuck } from './statistics.ts';

/**
 * How often a dependency was looked for and seen, by *looks*: the first trial of a workload on one boot of one image. Nothing smaller
 * is independent: copies of a boot share what the boot learned, and nights on an image that did not change share its saved boots. So
 * many trials of one boot are one look, and another night on the same image is none. A look is compared with those of the same cell
 * and setting (splat, guest, QEMU, fragments, program) alone: what those bring is no news of a kernel.
 */
export interface LockCounts {
  /** Looks before it was first seen. */
  readonly before: number;
  /** Looks since, those of the image that first showed it included. */
  readonly after: number;
  readonly hits: number;
}

/** That a night tells anything false of this kind. */
const mostFalse = 0.002;

/**
 * The chance that all hits of a dependency that was always there fall behind its first sight: the looks of all nights in any order.
 * The place is taken where the first hit is, so the chance is that of the first hit coming as late.
 */
export function lateChance({ before, after, hits }: LockCounts): number {
  return chanceOfLuck({ hits, trials: after }, before);
}

/**
 * Whether the counts say that a dependency is new. `candidates` are all dependencies that came after the first look of their cell and
 * setting, those of long ago and those that were told too: of thousands that were always there and show seldom, some come late.
 */
export function isLockNews(counts: LockCounts, candidates: number): boolean {
  return lateChance(counts) <= mostFalse / Math.max(1, candidates);
}

/** Whether no more looks are counted: after three times as many as before, more of them hardly change what they say. */
export function isSettled({ before, after }: Pick<LockCounts, 'before' | 'after'>): boolean {
  return after > 3 * before;
}

/** The share of cases in which a dependency came before the range that is told for it. */
const outOfRange = 0.05;

/**
 * Looks without a dependency, back from its first sight, that it takes to say that it was not there: none would have shown it, or it
 * is younger. One that every look shows takes few.
 */
export function silentLooks({ after, hits, before }: LockCounts): number {
  let silent = 1;
  // 1/20 is 1/20, whatever rounding makes of it.
  const most = outOfRange + 1e-9;
  while (silent < before && lateChance({ before: silent, after, hits }) > most) silent += 1;
  return silent;
}

import { chanceOfLuck } from './statistics.ts';

/**
 * Counts of looks for a lock dependency: before the dependency was first seen (`before`), since then (`after`), and those that
 * showed it (`hits`). A look is the first trial of a workload on a boot of a kernel image. A further trial on this boot is no look,
 * because copies of a boot share what lockdep learned in the boot. Another night on the same image adds no look either, because it
 * uses the same saved boots. Looks are compared only within a cell and a setting (splat, guest, QEMU, fragments, program), because
 * the kernel is not the cause of what another setting brings.
 */
export interface LockCounts {
  /** How many looks (first trials on a boot) came before the dependency was first seen. */
  readonly before: number;
  /** How many looks (first trials on a boot) came since then, those on the image that first showed the dependency included. */
  readonly after: number;
  readonly hits: number;
}

/** The highest probability that a night reports a lock dependency that is not new. */
const mostFalse = 0.002;

/**
 * Returns the probability that a lock dependency that was always there first shows as late as this dependency: that a random order
 * of the `before + after` looks (first trials on a boot) puts all `hits` among the last `after` looks. A hit is a look that shows
 * the dependency; the first such look is a hit, too.
 */
export function lateChance({ before, after, hits }: LockCounts): number {
  return chanceOfLuck({ hits, trials: after }, before);
}

/**
 * True when the counts show that a lock dependency is new. Of thousands of old dependencies that seldom show, some first show late
 * by chance. So the limit is divided by `candidates`: the number of all dependencies, also old and reported ones, that first
 * showed after the first night of their cell and setting.
 */
export function isLockNews(counts: LockCounts, candidates: number): boolean {
  return lateChance(counts) <= mostFalse / Math.max(1, candidates);
}

/**
 * True when no more looks need to be counted: there were more than three times as many looks since the dependency was first seen
 * as before. Further looks would hardly change the answer.
 */
export function isSettled({ before, after }: Pick<LockCounts, 'before' | 'after'>): boolean {
  return after > 3 * before;
}

/** The share of new dependencies that may be older than the range of commits that is reported for them. */
const outOfRange = 0.05;

/**
 * Returns how many of the looks just before a dependency was first seen suffice to show that it was not there yet: otherwise one of
 * these looks would very probably have shown it. The more of the later looks show the dependency, the fewer looks suffice.
 */
export function silentLooks({ after, hits, before }: LockCounts): number {
  let silent = 1;
  // The small addend is for rounding: exactly 1/20 must count as small enough.
  const most = outOfRange + 1e-9;
  while (silent < before && lateChance({ before: silent, after, hits }) > most) silent += 1;
  return silent;
}

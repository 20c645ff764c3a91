import { chanceOfLuck } from './statistics.ts';

/**
 * How many times a lock dependency was looked for (`before` and `after` its first sight) and seen (`hits`). A look is the first
 * trial of a workload on one boot of a kernel image. A further trial on this boot is no look, because copies of a boot share what
 * the boot learned. Another night on the same image adds no look either, because it uses the same saved boots. Looks are compared
 * only within a cell and a setting (splat, guest, QEMU, fragments, program), because what another setting brings is not the
 * kernel's doing.
 */
export interface LockCounts {
  /** How many looks (first trials on a boot) came before the dependency was first seen. */
  readonly before: number;
  /** How many looks (first trials on a boot) came since then, those on the image that first showed the dependency included. */
  readonly after: number;
  readonly hits: number;
}

/** The highest probability, for one night, of reporting a lock dependency that is not new. */
const mostFalse = 0.002;

/**
 * How probably a lock dependency that was always there would first show as late as this dependency. A look is the first trial of a
 * workload on one boot. A hit is a look that shows the dependency; the first sight is a hit. The result is the probability that a
 * random order of the `before + after` looks puts all `hits` among the last `after` looks.
 */
export function lateChance({ before, after, hits }: LockCounts): number {
  return chanceOfLuck({ hits, trials: after }, before);
}

/**
 * True when the counts show that a lock dependency is new. Of thousands of old dependencies that seldom show, some first show
 * late by chance. So the limit is divided by `candidates`: how many dependencies, old and reported ones included, came after the
 * first look of their cell and setting.
 */
export function isLockNews(counts: LockCounts, candidates: number): boolean {
  return lateChance(counts) <= mostFalse / Math.max(1, candidates);
}

/**
 * True when no more looks need to be counted: after the first sight of a dependency there were more than three times as many
 * looks as before it. Further looks would hardly change the answer.
 */
export function isSettled({ before, after }: Pick<LockCounts, 'before' | 'after'>): boolean {
  return after > 3 * before;
}

/** In which share of cases a new dependency may be older than the range of commits that is reported for it. */
const outOfRange = 0.05;

/**
 * How many of the looks just before a dependency's first sight suffice to show that it was not there yet: had it been, one of
 * them would very probably have shown it. The more of the later looks show it, the fewer suffice.
 */
export function silentLooks({ after, hits, before }: LockCounts): number {
  let silent = 1;
  // The small addend is for rounding: 1/20 itself must count as small enough.
  const most = outOfRange + 1e-9;
  while (silent < before && lateChance({ before: silent, after, hits }) > most) silent += 1;
  return silent;
}

import type { Retention } from '../records/matrix.ts';

/** A night's folder as it is on the disk. */
export interface KeptFolder {
  readonly id: number;
  readonly startedMs: number;
  readonly bytes: number;
  /** Bytes of the runs that must stay. */
  readonly evidenceBytes: number;
}

const dayMs = 24 * 60 * 60 * 1000;
const gibBytes = 2 ** 30;

/**
 * The nights of which only the evidence may stay: all beyond a number, an age, or the size of the newer ones. The night that begins
 * counts as one, and is not among `folders`.
 */
export function outlived(
  folders: readonly KeptFolder[],
  { nights, days, gib }: Retention,
  nowMs: number,
): ReadonlySet<number> {
  const gone = new Set<number>();
  // What must stay takes its share first.
  let left = (gib ?? Number.POSITIVE_INFINITY) * gibBytes;
  for (const { evidenceBytes } of folders) left -= evidenceBytes;
  const newestFirst = folders.toSorted((one, other) => other.startedMs - one.startedMs);
  let isFull = false;
  for (const [at, { id, startedMs, bytes, evidenceBytes }] of newestFirst.entries()) {
    const isMany = nights !== undefined && at + 1 >= nights;
    const isOld = days !== undefined && nowMs - startedMs > days * dayMs;
    isFull ||= bytes - evidenceBytes > left;
    if (isMany || isOld || isFull) gone.add(id);
    else left -= bytes - evidenceBytes;
  }
  return gone;
}

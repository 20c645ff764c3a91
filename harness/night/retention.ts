import type { Retention } from '../records/matrix.ts';

/** The folder of a night, with its start and its size on the disk. */
export interface KeptFolder {
  readonly id: number;
  readonly startedMs: number;
  readonly bytes: number;
  /** The size of the runs that must stay because they prove an open issue. */
  readonly evidenceBytes: number;
}

const dayMs = 24 * 60 * 60 * 1000;
const gibBytes = 2 ** 30;

/**
 * Returns the ids of the nights whose folders must go, except for the runs that prove an open issue: nights beyond the permitted
 * number or age, and nights that do not fit into the permitted size together with all newer nights. The night that begins now is
 * not in `folders`, but counts toward the permitted number.
 */
export function outlived(
  folders: readonly KeptFolder[],
  { nights, days, gib }: Retention,
  nowMs: number,
): ReadonlySet<number> {
  const gone = new Set<number>();
  // The runs that must stay use their part of the permitted size first.
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

import type { History } from '../../history/database.ts';

import { firstSplatsOf, witnessesOf } from '../../history/stored-cell.ts';

import type { JudgedCell } from '../../night/judge-cell.ts';
import { median } from '../../night/statistics.ts';
import type { Trend } from '../../records/night.ts';

const fewestNights = 5;
const mostNights = 15;

/** A splat shows when it likes: so many nights in a row must be slower, by chance once in 286 nights or more. */
const slowNights = 3;
const fewestToCompare = 10;

/** What a cell does less of, or slower, than in the nights before. */
export function trendsOf(history: History, cell: JudgedCell): readonly Trend[] {
  return [...witnessTrends(history, cell), ...slowerSplats(history, cell)];
}

/**
 * Witnesses of a cell that reach half of what they did, or less: a workload that quietly does less finds less. Its median of at
 * least 5 nights before is what they did, and no night of those was as low: counts of a busy host vary.
 */
function witnessTrends(history: History, { input, trials }: JudgedCell): readonly Trend[] {
  const { cell, kernel } = input;
  if (kernel.ranOn === null || trials.length === 0) return [];
  const before = witnessesOf(history, cell.id, kernel.ranOn, mostNights);
  return [...before].flatMap(([what, counts]) => {
    const usual = median(counts);
    const total = trials.reduce((sum, { facts }) => sum + (facts.witnesses[what] ?? 0), 0);
    const now = total / trials.length;
    const isLess = usual !== null && usual > 0 && now <= usual / 2;
    if (!isLess || counts.length < fewestNights || counts.some((count) => count <= now)) return [];
    return [{ cell: cell.id, what, before: usual, now, nights: counts.length }];
  });
}

/**
 * A splat that shows later than it did is found by fewer runs. Tonight and the last two nights that had one took longer than any
 * of 10 to 15 before, and tonight took twice as long as they usually did.
 */
function slowerSplats(history: History, { input, trials }: JudgedCell): readonly Trend[] {
  const { cell, kernel } = input;
  const now = median(trials.flatMap(({ facts }) => facts.firstSplatMs ?? []));
  if (now === null || kernel.ranOn === null) return [];
  const kept = firstSplatsOf(history, cell.id, kernel.ranOn, slowNights - 1 + mostNights);
  const late = [now, ...kept.slice(0, slowNights - 1)];
  const before = kept.slice(slowNights - 1);
  const usual = median(before);
  if (usual === null || before.length < fewestToCompare) return [];
  if (now < usual * 2 || Math.min(...late) <= Math.max(...before)) return [];
  return [{ cell: cell.id, what: 'firstSplatMs', before: usual, now, nights: before.length }];
}

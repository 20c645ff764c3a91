import type { History } from '../../history/database.ts';
import { witnessesOf } from '../../history/stored-cell.ts';
import type { JudgedCell } from '../../night/judge-cell.ts';
import { median } from '../../night/statistics.ts';
import type { Trend } from '../../records/night.ts';

const fewestNights = 5;
const mostNights = 15;

/**
 * Witnesses of a cell that reach half of what they did, or less: a workload that quietly does less finds less. Its median of at
 * least 5 nights before is what they did, and no night of those was as low: counts of a busy host vary.
 */
export function trendsOf(history: History, { input, trials }: JudgedCell): readonly Trend[] {
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

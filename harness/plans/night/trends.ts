import type { History } from '../../history/database.ts';

import { firstSightsOf, witnessesOf } from '../../history/stored-cell.ts';

import type { JudgedCell } from '../../night/judge-cell.ts';
import { timeToShow } from '../../night/judge-trial.ts';
import { median } from '../../night/statistics.ts';
import type { Trend } from '../../records/night.ts';

const fewestNights = 5;
const mostNights = 15;

/**
 * A slower splat is reported after this many nights in a row that were slower. The time to a splat varies: by chance alone, so many
 * slow nights in a row happen at most once in 286 nights.
 */
const slowNights = 3;
const fewestToCompare = 10;

/** The trends of a cell: witnesses that it counted less often than in earlier nights, and splats that took longer to show. */
export function trendsOf(history: History, cell: JudgedCell): readonly Trend[] {
  return [...witnessTrends(history, cell), ...slowerSplats(history, cell)];
}

/**
 * The witnesses of which a cell counted at most half of the usual number per trial: a workload that quietly does less finds less.
 * The usual number is the median of the 5 to 15 latest nights that counted this witness on the same accelerator. Nothing is
 * reported with fewer nights. Nothing is reported either when one of these nights counted as little as tonight: counts vary on a
 * busy host.
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
 * The splats that take longer to show in a cell than before: fewer runs find a splat that shows late. Only nights count in which
 * the splat was the first of a trial. Two conditions must hold. Tonight and the last two of these nights each took longer than
 * each of the 10 to 15 nights before. Tonight took at least twice the median of those 10 to 15 nights.
 */
function slowerSplats(history: History, { input, trials }: JudgedCell): readonly Trend[] {
  const { cell, kernel } = input;
  const { ranOn } = kernel;
  if (ranOn === null) return [];
  const first = new Map(
    trials.flatMap(({ facts }) =>
      facts.splats.slice(0, 1).map(({ key, title }) => [key, title] as const),
    ),
  );
  return [...first].flatMap(([key, title]) => {
    const now = timeToShow(trials, key);
    const kept = firstSightsOf(history, { cell: cell.id, ranOn, key }, slowNights - 1 + mostNights);
    const before = kept.slice(slowNights - 1);
    const usual = median(before);
    if (now === null || usual === null || before.length < fewestToCompare) return [];
    const late = [now, ...kept.slice(0, slowNights - 1)];
    if (now < usual * 2 || Math.min(...late) <= Math.max(...before)) return [];
    const named = { signature: key === title ? '' : key, title };
    const compared = { before: usual, now, nights: before.length };
    return [{ cell: cell.id, what: 'firstSplatMs', ...named, ...compared }];
  });
}

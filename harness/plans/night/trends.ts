import type { History } from '../../history/database.ts';

import { firstSightsOf, witnessesOf } from '../../history/stored-cell.ts';

import type { JudgedCell } from '../../night/judge-cell.ts';
import { timeToShow } from '../../night/judge-trial.ts';
import { median } from '../../night/statistics.ts';
import type { Trend } from '../../records/night.ts';

const fewestNights = 5;
const mostNights = 15;

/**
 * How many nights with a splat must be slower, one after the other, before a trend is reported. The time to a splat varies: by
 * chance, this happens once in 286 nights or less often.
 */
const slowNights = 3;
const fewestToCompare = 10;

/** The witnesses that a cell counted less often than in the nights before, and the splats that it showed later. */
export function trendsOf(history: History, cell: JudgedCell): readonly Trend[] {
  return [...witnessTrends(history, cell), ...slowerSplats(history, cell)];
}

/**
 * The witnesses of a cell that reached at most half of their usual count per trial: a workload that quietly does less finds less.
 * The usual count is the median of the 5 to 15 latest nights that counted the witness on the same accelerator; with fewer nights
 * nothing is reported. Counts vary on a busy host, so nothing is reported either when one of these nights had a count as low as
 * tonight's.
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
 * The splats that a cell shows later than before: fewer runs find a splat that shows late. Only nights count in which the splat
 * was the first of a trial. A splat is reported when two conditions hold. Tonight and the last two nights before it each took
 * longer to show the splat than each of the 10 to 15 nights before them. Tonight took at least twice the median time of those 10
 * to 15 nights.
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

import type { ReportedPatch, ReportedSuspect, SeriesReport } from '../records/series.ts';

type Suspect = Omit<ReportedSuspect, 'confidence'> & { readonly confidence?: number };

/** Returns a splat in words: `possible deadlock in f (95 % of trials of hmm; confidence 99.6 %)`. */
export function suspectWords(splat: Suspect): string {
  return `${splat.title}  (${shareWords(splat)})`;
}

/** Returns how often a splat shows, in words: `95 % of trials of hmm; confidence 99.6 %`. */
export function shareWords({ rate, confidence, workloads }: Suspect): string {
  const sure = confidence === undefined ? '' : `; confidence ${percent(confidence)}`;
  return `${percent(rate)} of trials of ${workloads.join(', ')}${sure}`;
}

/** Returns a share as a percentage, such as `95 %`. Only a share of exactly 1 becomes `100 %`. */
export function percent(share: number): string {
  if (share >= 0.995 && share < 1) return `${(Math.floor(share * 1000) / 10).toFixed(1)} %`;
  return `${Math.round(share * 100)} %`;
}

/**
 * Returns how a patch differs from the earlier version of its series: `the same as patch 3 before`,
 * `patch 3 before, changed`, `new`.
 */
export function changeWords(
  before: Pick<NonNullable<ReportedPatch['previous']>, 'index' | 'change'> | undefined,
): string {
  if (before === undefined) return 'new';
  const { index, change } = before;
  return change === 'same' ? `the same as patch ${index} before` : `patch ${index} before, changed`;
}

/**
 * Returns lines about what has changed since the earlier version of a series. The first line has the numbers. Then comes a line for
 * each patch that is new, is changed, has another verdict, or is gone. Returns no lines when no earlier version was named.
 */
export function previousLines({ previous, patches }: SeriesReport): readonly string[] {
  if (previous === undefined) return [];
  const { run, series, comparable, reusedTrials, gone } = previous;
  const count = (change: string): number =>
    patches.filter((patch) => (patch.previous?.change ?? 'new') === change).length;
  const counts = `${count('same')} the same, ${count('changed')} changed, ${count('new')} new, ${gone.length} gone`;
  const trials = comparable
    ? `${reusedTrials} of its trials count here`
    : 'its trials do not count here: tried in another way';
  return [
    `${series} in ${run}: ${counts}; ${trials}`,
    ...patches.flatMap((patch) => {
      const { index, verdict, previous: before } = patch;
      const isNews = before === undefined || before.change === 'changed';
      if (before?.verdict === verdict && !isNews) return [];
      const verdicts =
        before === undefined || before.verdict === verdict
          ? verdict
          : `was ${before.verdict}, is ${verdict}`;
      return [`patch ${index}: ${changeWords(before)}: ${verdicts}`];
    }),
    ...gone.map(
      ({ index, subject, verdict }) => `gone: patch ${index} before, ${subject}: ${verdict}`,
    ),
  ];
}

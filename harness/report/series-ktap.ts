import type { ReportedPatch, SeriesReport } from '../records/series.ts';
import { plain } from './plain.ts';

/**
 * Returns a series as KTAP version 1 (Documentation/dev-tools/ktap.rst), with one test for the base and one test for each patch.
 * Only a patch that is unaffected or fixes a splat is ok.
 */
export function formatSeriesKtap({ base, patches }: SeriesReport): string {
  const lines = [
    base.state === 'broken' ? `not ok 1 base # ${comment(base.because ?? '')}` : 'ok 1 base',
    ...patches.map((patch) => patchLine(patch, patch.index + 1)),
  ];
  return ['KTAP version 1', `1..${lines.length}`, ...lines, ''].join('\n');
}

function patchLine({ verdict, splats, because, subject }: ReportedPatch, number: number): string {
  const ok = verdict === 'fixes' || verdict === 'unaffected' ? 'ok' : 'not ok';
  const titles = splats.map(({ title }) => title);
  const why = [...titles, ...(because === undefined ? [] : [because])].join('; ');
  const detail = [verdict, why].filter((text) => text !== '').join(': ');
  return `${ok} ${number} ${comment(subject)} # ${comment(detail)}`;
}

/** Untrusted text for a line, without `#`: a second `#` would begin a directive. */
function comment(text: string): string {
  return plain(text).replaceAll('#', '.');
}

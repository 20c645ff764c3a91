import { type BisectReport, commitPhrase } from './bisect-report.ts';
import { plain } from './plain.ts';
import { styleFor } from './style.ts';

/** What a person reads at the end of a bisection. `dir` is where the log and the picture are. */
export function describeBisect(
  report: BisectReport,
  { colour, dir }: { readonly colour: boolean; readonly dir: string },
): string {
  const style = styleFor(colour);
  const { culprit, candidates, because, reverse, rate } = report;
  const named = (id: string): string =>
    plain(commitPhrase(report.commits.find((commit) => commit.id === id) ?? { id, subject: '' }));
  const percent = `${(report.confidence * 100).toFixed(1)} %`;
  const verb = reverse ? 'fixed it' : 'brought it';
  const answer =
    because !== null
      ? [style.doubtful(`no answer: ${plain(because)}`)]
      : culprit !== null
        ? [style.strong(`${named(culprit)} ${verb}, with a confidence of ${percent}`)]
        : [
            style.strong(
              `one of ${candidates.length} commits ${verb}, with a confidence of ${percent}:`,
            ),
            ...candidates.map((id) => `  ${named(id)}`),
            'No commit that can be tested lies between them.',
          ];
  return [
    ...(report.sought === null ? [] : [`sought   ${plain(report.sought)} (${report.workload})`]),
    ...(rate === null ? [] : [`rate     in ${(rate * 100).toFixed(0)} % of the trials`]),
    `effort   ${report.steps} commits, ${report.builds} builds, ${report.trials} trials`,
    ...report.skipped.map((id) => `skipped  ${named(id)}`),
    ...report.others.map(
      ({ title, commits }) => `also     ${plain(title)}, on ${commits.length} of them`,
    ),
    `files    ${dir}/bisect.log, ${dir}/posterior.svg`,
    '',
    ...answer,
    '',
  ].join('\n');
}

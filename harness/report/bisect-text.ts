import { counted } from '../counted.ts';
import type { BisectReport } from '../records/bisect.ts';
import { commitPhrase } from './bisect-words.ts';
import { plain } from './plain.ts';
import { styleFor } from './style.ts';

const plural = { commit: 'commits', patch: 'patches', line: 'lines' } as const;
/** The number of dropped configuration lines that the text names. bisect.json has all dropped lines. */
const named = 3;

/** Returns the text at the end of a bisection. `dir` is the folder with the log and the picture. */
export function describeBisect(
  report: BisectReport,
  { colour, dir }: { readonly colour: boolean; readonly dir: string },
): string {
  const { rate, sought, workload, unit } = report;
  const files = unit === 'commit' ? ['bisect.log', 'posterior.svg'] : ['posterior.svg'];
  return [
    ...(sought === null ? [] : [`sought   ${plain(sought)} (${workload})`]),
    ...(rate === null ? [] : [`rate     in ${(rate * 100).toFixed(0)} % of the trials`]),
    `effort   ${counted(report.steps, unit, plural[unit])}, ${counted(report.builds, 'build')}, ${counted(report.trials, 'trial')}`,
    ...report.skipped.map((id) => `skipped  ${phrase(report, id)}`),
    ...report.others.map(
      ({ title, commits }) => `also     ${plain(title)}, on ${commits.length} of them`,
    ),
    ...describeDropped(report),
    `files    ${files.map((name) => `${dir}/${name}`).join(', ')}`,
    '',
    ...describeAnswer(report, colour),
    '',
  ].join('\n');
}

function phrase({ commits }: BisectReport, id: string): string {
  return plain(commitPhrase(commits.find((commit) => commit.id === id) ?? { id, subject: '' }));
}

function describeAnswer(report: BisectReport, colour: boolean): readonly string[] {
  const style = styleFor(colour);
  const { culprit, candidates, because, reverse, unit, configChanges } = report;
  const percent = `${(report.confidence * 100).toFixed(1)} %`;
  const verb = reverse ? 'fixed it' : 'brought it';
  if (because !== null) return [style.doubtful(`no answer: ${plain(because)}`)];
  if (culprit === null) {
    const count = `one of ${candidates.length} ${plural[unit]}`;
    return [
      style.strong(`${count} ${verb}, with a confidence of ${percent}:`),
      ...candidates.map((id) => `  ${phrase(report, id)}`),
      `No ${unit} that can be tested lies between them.`,
    ];
  }
  return [
    style.strong(`${phrase(report, culprit)} ${verb}, with a confidence of ${percent}`),
    ...(configChanges.length > 1
      ? [`in the final .config it sets ${plain(configChanges.join(', '))}`]
      : []),
    ...describeRevert(report, style),
  ];
}

function describeRevert(
  { revert, reverse, bad, good, unit }: BisectReport,
  style: ReturnType<typeof styleFor>,
): readonly string[] {
  if (revert === null) return [];
  const newEnd = commitPhrase({ id: reverse ? good : bad, subject: '' }).replace(' ("")', '');
  const without = `${newEnd} without this ${unit}`;
  switch (revert.kind) {
    case 'confirmed':
    case 'refuted': {
      const trials = revert.hits + revert.misses;
      const said = `${without} shows it in ${revert.hits} of ${trials} trials`;
      if (revert.kind === 'confirmed') return [style.good(`confirmed: ${said}`)];
      const why = reverse ? 'something else fixes it, too' : 'something else brings it, too';
      return [style.doubtful(`not confirmed: ${said}: ${why}`)];
    }
    case 'conflict':
    case 'untestable':
    case 'blind':
      return [style.doubtful(`not confirmed: ${without}: ${plain(revert.message)}`)];
  }
}

/**
 * The lines that dropped out of configurations, the most frequent line first, each with the number of tested commits that drop
 * the line.
 */
function describeDropped({ commits, unit }: BisectReport): readonly string[] {
  const counts = new Map<string, number>();
  for (const line of commits.flatMap(({ dropped }) => dropped)) {
    counts.set(line, (counts.get(line) ?? 0) + 1);
  }
  const lines = [...counts].toSorted(([, a], [, b]) => b - a);
  const more = lines.length - named;
  return [
    ...lines
      .slice(0, named)
      .map(([line, count]) => `config   ${plain(line)}, on ${counted(count, unit, plural[unit])}`),
    ...(more > 0
      ? [
          `config   ${more === 1 ? '1 more line is' : `${more} more lines are`} dropped: bisect.json`,
        ]
      : []),
  ];
}

import type { BisectReport, ReportedCommit } from '../records/bisect.ts';
import { plain } from './plain.ts';

/**
 * Returns the bisection in the format of `git bisect log`, for `git bisect replay FILE` and `git bisect visualize`. Commits without
 * a certain verdict are left out, because the format has no doubtful commits.
 */
export function formatBisectLog(report: BisectReport): string {
  const { good, bad, reverse, culprit, commits } = report;
  // With --reverse, the old end has the bug. git bisect permits other terms for this case.
  const words = reverse ? { bad: 'broken', good: 'fixed' } : { bad: 'bad', good: 'good' };
  const [oldEnd, newEnd] = reverse ? [bad, good] : [good, bad];
  const terms = reverse ? `'--term-old=${words.bad}' '--term-new=${words.good}' ` : '';
  const subject = (id: string): string =>
    plain(commits.find((commit) => commit.id === id)?.subject ?? '');
  const lines = [
    `# ${words[reverse ? 'good' : 'bad']}: [${newEnd}] ${subject(newEnd)}`,
    `# ${words[reverse ? 'bad' : 'good']}: [${oldEnd}] ${subject(oldEnd)}`,
    `git bisect start ${terms}'${newEnd}' '${oldEnd}'`,
    ...tested(commits)
      .filter(({ id }) => id !== oldEnd && id !== newEnd)
      .flatMap(({ id, standing }) => {
        const word = standing === 'skip' ? 'skip' : words[standing];
        return [`# ${word}: [${id}] ${subject(id)}`, `git bisect ${word} ${id}`];
      }),
    ...(culprit === null
      ? []
      : [`# first ${reverse ? words.good : words.bad} commit: [${culprit}] ${subject(culprit)}`]),
  ];
  return `${lines.join('\n')}\n`;
}

/** The commits with a certain verdict, in the order in which they were first looked at. */
function tested(
  commits: readonly ReportedCommit[],
): readonly (ReportedCommit & { readonly standing: 'good' | 'bad' | 'skip' })[] {
  return commits
    .flatMap((commit) =>
      commit.standing === null ? [] : [{ ...commit, standing: commit.standing }],
    )
    .toSorted((a, b) => (a.step ?? 0) - (b.step ?? 0));
}

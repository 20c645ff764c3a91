import type { LearnedDependency, LockNews } from '../records/lock-order.ts';
import { plain } from './plain.ts';
import type { Style } from './style.ts';

/** The number of new lock dependencies that the text lists: as many as fill one screen. */
const shownDependencies = 20;

/**
 * Returns lines about the lock dependencies that the baseline (an earlier run) does not have, and about the cycles that lockdep
 * cannot find. Returns no lines when there are no such dependencies and no such cycles.
 */
export function lockLines(locks: LockNews | null, style: Style): readonly string[] {
  if (locks === null) return [];
  const learned = locks.learned ?? [];
  const lines = [
    ...learned.slice(0, shownDependencies).flatMap((one) => learnedLines(one, style)),
    ...(learned.length > shownDependencies
      ? [`... ${learned.length - shownDependencies} more in result.json`]
      : []),
    ...locks.unreported.flatMap(({ cycle, trials }) => [
      `${style.doubtful('cycle')}    ${plain(closed(cycle))}`,
      `         lockdep cannot see it: a recursive reader (RCU, SRCU) is in between; in ${plain(trials.join(', '))}`,
    ]),
  ];
  return lines.length === 0 ? [] : ['', ...lines];
}

function learnedLines(
  { from, to, cycle, almost, trials }: LearnedDependency,
  style: Style,
): readonly string[] {
  const head = `${style.doubtful('learned')}  ${style.strong(plain(`${from} -> ${to}`))}, in ${plain(trials.join(', '))}`;
  if (cycle !== undefined) return [head, `         in the cycle ${plain(closed(cycle))}`];
  if (almost === undefined) return [head];
  return [
    head,
    `         ${plain(almost.join(' -> '))}: a deadlock if ${plain(almost[0] ?? '')} is ever entered under ${plain(to)}`,
  ];
}

function closed(cycle: readonly string[]): string {
  return [...cycle, ...cycle.slice(0, 1)].join(' -> ');
}

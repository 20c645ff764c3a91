import { HarnessError } from '../errors.ts';
import { orderOf } from './commit-order.ts';
import { parseDiff } from './diff.ts';
import { oneLine, type PassedOver } from './thread-words.ts';

/** A commit in the output of `git log -p` or `git show`. */
export interface PrintedCommit {
  readonly id: string;
  readonly subject: string;
  readonly author?: string;
  /** The committer's date if it is printed, else the author's, in milliseconds since 1970. Absent when no date can be read. */
  readonly dateMs?: number;
  readonly diff: string;
  /** The line of the input, from 1, at which the diff begins. For a commit without a diff, the first line of the commit. */
  readonly diffLine: number;
}

export interface CommitLog {
  /** The commits that have a diff, oldest first. */
  readonly commits: readonly PrintedCommit[];
  readonly passedOver: readonly PassedOver[];
}

/**
 * The first line of a commit in the full format: `commit 7a1c33d (HEAD)`. `startOfShort` matches the line in the format of
 * `--oneline`: `7a1c33d mm: unmap less`.
 */
const startOfCommit = /^commit ([0-9a-f]{7,64})(?: .*)?$/;
const startOfShort = /^([0-9a-f]{7,64}) (?!\d+$)(?:\(.*?\) )?(\S.*)$/;

/**
 * True for output of `git log -p` or `git show`. The first line names a commit; the lines below it name the author or tree of the
 * commit, or begin its diff.
 */
export function isCommitLog(text: string): boolean {
  const head = text.slice(0, 16 * 1024);
  const isFull = /^commit [0-9a-f]{7,64}(?: .*)?\n(?:[A-Z][A-Za-z]*:.*\n)*Author: /.test(head);
  return isFull || isRawLog(head) || isShortLog(head);
}

/** True for output of `git log --format=raw`, which prints the commit object itself. */
function isRawLog(head: string): boolean {
  return /^commit [0-9a-f]{7,64}(?: .*)?\ntree [0-9a-f]{40,64}\n/.test(head);
}

/** True for output of `git log --oneline -p`: a line for the commit, then its diff. A diffstat may stand between them. */
function isShortLog(head: string): boolean {
  const [first = '', ...rest] = head.split('\n');
  const next = rest.find((line) => line !== '') ?? '';
  return startOfShort.test(first) && /^(?:diff --git |---$| \S.* \| +\d)/.test(next);
}

/**
 * Reads the commits in the output of `git log -p` (newest first) or `git show A B` (in the order of the arguments), and returns
 * the commits oldest first. orderOf() determines the printed order from the diffs. When the diffs show no order, the dates of the
 * first and the last commit decide. Without dates, the output counts as newest first. Commits without a diff are passed over.
 * `where` begins every error message. Throws `usage` for a merge with a diff, and when the diffs contradict both orders.
 */
export function readCommitLog(text: string, where: string): CommitLog {
  const printed = splitCommits(text, where);
  const commits = printed.filter(({ diff }) => parseDiff(diff).length > 0);
  const empty = printed.filter((one) => !commits.includes(one));
  const order = orderOf(commits.map(({ diff }) => diff));
  const better = 'give DIR@A..B, or what git format-patch writes';
  if (order === 'neither') {
    throw new HarnessError(
      'usage',
      `${where}: the order of its commits cannot be determined; ${better}`,
    );
  }
  const isForward = order === 'oldest-first' || (order === 'unknown' && areDatesRising(commits));
  return {
    // Without any sign the order is that of git log and of git show of a range: newest first.
    commits: isForward ? commits : commits.toReversed(),
    passedOver: empty.map(({ subject, id }) => ({
      subject: oneLine(subject) || id,
      why: 'a commit that changes nothing',
    })),
  };
}

function areDatesRising(commits: readonly PrintedCommit[]): boolean {
  const [first, last] = [commits[0]?.dateMs, commits.at(-1)?.dateMs];
  return first !== undefined && last !== undefined && first < last;
}

function splitCommits(text: string, where: string): readonly PrintedCommit[] {
  const commits: PrintedCommit[] = [];
  const lines = text.split('\n');
  const start = startOfCommit.test(lines[0] ?? '') ? startOfCommit : startOfShort;
  const starts = lines.flatMap((line, at) => (start.test(line) ? [at] : []));
  for (const [which, from] of starts.entries()) {
    const own = lines.slice(from, starts[which + 1] ?? lines.length);
    const end = own.findIndex((line) => /^(?:diff |--- )/.test(line));
    const head = end < 0 ? own : own.slice(0, end);
    const [, id = '', short = ''] = start.exec(own[0] ?? '') ?? [];
    const diff = end < 0 ? '' : own.slice(end).join('\n');
    if (isMerge(head) && diff !== '') {
      const what = `commit ${id.slice(0, 12)} is a merge with a diff`;
      throw new HarnessError('usage', `${where}: ${what}; a series must not have merges`);
    }
    commits.push({
      id,
      ...(start === startOfShort ? { subject: short } : readHead(head)),
      diff: diff === '' ? '' : `${diff.trimEnd()}\n`,
      diffLine: from + 1 + Math.max(end, 0),
    });
  }
  return commits;
}

function isMerge(head: readonly string[]): boolean {
  const parents = head.filter((line) => line.startsWith('parent '));
  return parents.length > 1 || head.some((line) => line.startsWith('Merge: '));
}

type Head = Pick<PrintedCommit, 'subject' | 'author' | 'dateMs'>;

function readHead(head: readonly string[]): Head {
  const author = head.find((line) => /^(?:Author: |author )/.test(line));
  const subject = head.find((line) => line.startsWith('    ') && line.trim() !== '')?.trim() ?? '';
  const dateMs = dateOf(head);
  return {
    subject,
    ...(author === undefined
      ? {}
      : {
          author: author
            .slice('Author:'.length)
            .replace(/> \d+ [+-]\d{4}$/, '>')
            .trim(),
        }),
    ...(dateMs === undefined ? {} : { dateMs }),
  };
}

function dateOf(head: readonly string[]): number | undefined {
  const value = (pattern: RegExp): string | undefined =>
    head.map((line) => pattern.exec(line)?.[1]).find((found) => found !== undefined);
  const seconds = value(/^committer .*> (\d+) [+-]\d{4}$/);
  if (seconds !== undefined) return Number(seconds) * 1000;
  const dateMs = Date.parse(
    value(/^CommitDate: +(.*)$/) ?? value(/^(?:Author)?Date: +(.*)$/) ?? '',
  );
  return Number.isNaN(dateMs) ? undefined : dateMs;
}

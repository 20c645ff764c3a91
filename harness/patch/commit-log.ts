import { HarnessError } from '../errors.ts';
import { type DiffOrder, orderOf } from './commit-order.ts';
import { parseDiff } from './diff.ts';
import { oneLine, type PassedOver } from './thread-words.ts';

/** A commit in the output of `git log -p` or `git show`. */
export interface PrintedCommit {
  readonly id: string;
  readonly subject: string;
  readonly author?: string;
  /**
   * The committer's date if it is printed, or else the author's date, in milliseconds since 1970. Absent when no date can be read.
   */
  readonly dateMs?: number;
  readonly diff: string;
  /** The line of the input, from 1, at which the diff begins. For a commit without a diff, the first line of the commit. */
  readonly diffLine: number;
}

export interface CommitLog {
  /** The commits that have a diff, oldest first. */
  readonly commits: readonly PrintedCommit[];
  readonly passedOver: readonly PassedOver[];
  /** Notes about the order of the commits, one line each. */
  readonly notes: readonly string[];
}

/**
 * The first line of a commit in the full format: `commit 7a1c33d (HEAD)`. `--left-right`, `--cherry-mark` and `--boundary` put a
 * mark before the id; `--source` puts the name of a branch behind the id. `startOfShort` matches the line in the format of
 * `--oneline`: `7a1c33d mm: unmap less`.
 */
const startOfCommit = /^commit (?:([-+=<>]) )?([0-9a-f]{7,64})(?:[ \t].*)?$/;
const startOfShort = /^([-+=<>] ?)?([0-9a-f]{7,64}) (?!\d+$)(?:\(.*?\) )?(\S.*)$/;

/** The largest number of lines above the first commit: a command, warnings of git, or a tag as `git show` prints it. */
const mostLinesAbove = 200;

/** Output of `git log -p`, from its first commit on. */
export interface PrintedLog {
  readonly text: string;
  /** The lines above the first commit. No diff is among them. */
  readonly above: readonly string[];
}

/**
 * Finds output of `git log -p` or `git show` in a text: a line names a commit, and the lines below name the author or tree of the
 * commit, or begin the commit's diff. Returns undefined when the text has no such output, or has a diff above it.
 */
export function findCommitLog(text: string): PrintedLog | undefined {
  let at = 0;
  for (let number = 0; number <= mostLinesAbove && at < text.length; number += 1) {
    const end = text.indexOf('\n', at);
    const line = text.slice(at, end < 0 ? text.length : end);
    if (/^(?:diff |--- |Index: )/.test(line)) return undefined;
    const isStart = startOfCommit.test(line) || startOfShort.test(line);
    if (isStart && isCommitLog(text.slice(at, at + 16 * 1024))) {
      return { text: text.slice(at), above: text.slice(0, at).split('\n').slice(0, -1) };
    }
    if (end < 0) return undefined;
    at = end + 1;
  }
  return undefined;
}

function isCommitLog(head: string): boolean {
  const isFull = /^commit .*\n(?:[A-Za-z]+:.*\n)*Author: /.test(head);
  return isFull || isRawLog(head) || isShortLog(head);
}

/** True for output of `git log --format=raw`, which prints the commit object itself. */
function isRawLog(head: string): boolean {
  return /^commit .*\ntree [0-9a-f]{40,64}\n/.test(head);
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
 * first and the last commit decide. Without dates, the output counts as newest first, with a note. Commits without a diff and
 * boundary commits are passed over. `where` begins every error message. Throws `usage` for a merge with a diff, for commits of two
 * branches (`--left-right`), and when the diffs contradict both orders.
 */
export function readCommitLog({ text, above }: PrintedLog, where: string): CommitLog {
  const printed = splitCommits(text, where, above.length);
  const better = 'give DIR@A..B, or what git format-patch writes';
  const sides = new Set(printed.map(({ mark }) => mark).filter((mark) => /[<>]/.test(mark)));
  if (sides.size > 1) {
    throw new HarnessError(
      'usage',
      `${where} has the commits of two branches (< and >); ${better}`,
    );
  }
  const outside = printed.filter(({ mark }) => mark === '-');
  const inside = printed.filter((one) => !outside.includes(one));
  const commits = inside.filter(({ diff }) => parseDiff(diff).length > 0);
  const empty = inside.filter((one) => !commits.includes(one));
  const order = orderOf(commits.map(({ diff }) => diff));
  if (order === 'neither') {
    throw new HarnessError(
      'usage',
      `${where}: the order of its commits cannot be determined; ${better}`,
    );
  }
  const dated = order === 'unknown' ? orderOfDates(commits) : order;
  return {
    // Without any sign, the order counts as newest first, as of git log and of git show with a range.
    commits: dated === 'oldest-first' ? commits : commits.toReversed(),
    passedOver: [
      ...empty.map((one) =>
        leave(
          one,
          one.isMerge ? 'a merge, printed without a diff' : 'a commit that changes nothing',
        ),
      ),
      ...outside.map((one) => leave(one, 'a boundary commit, outside of the range')),
    ],
    notes:
      dated === 'unknown' && commits.length > 1
        ? ['neither the diffs nor dates show the order of the commits: read as newest first']
        : [],
  };
}

function leave({ subject, id }: PrintedCommit, why: string): PassedOver {
  return { subject: oneLine(subject) || id, why };
}

function orderOfDates(commits: readonly PrintedCommit[]): DiffOrder {
  const [first, last] = [commits[0]?.dateMs, commits.at(-1)?.dateMs];
  if (first === undefined || last === undefined || first === last) return 'unknown';
  return first < last ? 'oldest-first' : 'newest-first';
}

interface MarkedCommit extends PrintedCommit {
  /**
   * `<` and `>` for the side of `A...B`, `-` for a boundary commit, `=` and `+` for --cherry-mark. An empty string when the commit
   * has no mark.
   */
  readonly mark: string;
  readonly isMerge: boolean;
}

function splitCommits(text: string, where: string, linesAbove: number): readonly MarkedCommit[] {
  const commits: MarkedCommit[] = [];
  const lines = text.split('\n');
  const start = startOfCommit.test(lines[0] ?? '') ? startOfCommit : startOfShort;
  const starts = lines.flatMap((line, at) => (start.test(line) ? [at] : []));
  for (const [which, from] of starts.entries()) {
    const own = lines.slice(from, starts[which + 1] ?? lines.length);
    const end = own.findIndex((line) => /^(?:diff |--- )/.test(line));
    const head = end < 0 ? own : own.slice(0, end);
    const [mark = '', id = '', short = ''] = start.exec(own[0] ?? '')?.slice(1) ?? [];
    const isMerge = areOfMerge(head);
    if (isMerge && end >= 0) throw mergeWithDiff(id, where);
    commits.push({
      id,
      mark: mark.trim(),
      isMerge,
      ...(start === startOfShort ? { subject: short } : readHead(head)),
      diff: textFrom(own, end),
      diffLine: linesAbove + from + 1 + Math.max(end, 0),
    });
  }
  return commits;
}

/**
 * The lines of a commit from its diff on; `at` is -1 for a commit without a diff. White space at the end is kept, because a hunk
 * may end in an empty context line, which is a single space.
 */
function textFrom(lines: readonly string[], at: number): string {
  return at < 0 ? '' : `${lines.slice(at).join('\n')}\n`;
}

/** True when the lines above a diff are those of a merge. The diff of a merge is not the diff of one patch. */
function areOfMerge(head: readonly string[]): boolean {
  const parents = head.filter((line) => line.startsWith('parent '));
  return parents.length > 1 || head.some((line) => line.startsWith('Merge: '));
}

function mergeWithDiff(id: string, where: string): HarnessError {
  const what = `commit ${id.slice(0, 12)} is a merge with a diff`;
  return new HarnessError('usage', `${where}: ${what}; a series must not have merges`);
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

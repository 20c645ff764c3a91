import { HarnessError } from '../errors.ts';
import { changedLines, parseDiff } from './diff.ts';
import { oneLine, type PassedOver } from './thread-words.ts';

/** A commit as `git log -p` or `git show` prints it. */
export interface PrintedCommit {
  readonly id: string;
  readonly subject: string;
  readonly author?: string;
  readonly diff: string;
  /** Line of the input, from 1, at which the diff begins. */
  readonly diffLine: number;
}

export interface CommitLog {
  /** Oldest commit first. */
  readonly commits: readonly PrintedCommit[];
  readonly passedOver: readonly PassedOver[];
}

const startOfCommit = /^commit ([0-9a-f]{7,64})(?: \(.*\))?$/;

/** True for output of git log or git show: the first line names a commit and a later line its author. */
export function isCommitLog(text: string): boolean {
  return /^commit [0-9a-f]{7,64}(?: \(.*\))?\n(?:[A-Z][A-Za-z]*:.*\n)*Author: /.test(
    text.slice(0, 4096),
  );
}

/**
 * Reads the commits in the output of `git log -p` (newest first) or `git show A B` (in the order of the arguments). The
 * diffs show the order: a later diff removes or keeps lines that an earlier diff added. Throws `usage` for a merge, and
 * when the diffs contradict both orders.
 */
export function readCommitLog(text: string, where: string): CommitLog {
  const printed = splitCommits(text, where);
  const commits = printed.filter(({ diff }) => parseDiff(diff).length > 0);
  const empty = printed.filter((one) => !commits.includes(one));
  const forward = evidence(commits);
  const backward = evidence(commits.toReversed());
  const better = 'give DIR@A..B, or what git format-patch writes';
  if (forward > 0 && backward > 0) {
    throw new HarnessError('usage', `${where}: the order of its commits cannot be told; ${better}`);
  }
  // When the diffs show no order, it is that of git log and of git show of a range: newest first.
  return {
    commits: forward > 0 ? commits : commits.toReversed(),
    passedOver: empty.map(({ subject, id }) => ({
      subject: oneLine(subject) || id,
      why: 'a commit that changes nothing',
    })),
  };
}

function splitCommits(text: string, where: string): readonly PrintedCommit[] {
  const commits: PrintedCommit[] = [];
  const lines = text.split('\n');
  const starts = lines.flatMap((line, at) => (startOfCommit.test(line) ? [at] : []));
  for (const [which, start] of starts.entries()) {
    const own = lines.slice(start, starts[which + 1] ?? lines.length);
    const end = own.findIndex((line) => /^(?:diff |--- )/.test(line));
    const head = end < 0 ? own : own.slice(0, end);
    const merge = head.find((line) => line.startsWith('Merge: '));
    const id = startOfCommit.exec(own[0] ?? '')?.[1] ?? '';
    const diff = end < 0 ? '' : own.slice(end).join('\n');
    if (merge !== undefined && diff !== '') {
      const what = `commit ${id.slice(0, 12)} is a merge`;
      throw new HarnessError('usage', `${where}: ${what}; a series is a line of commits`);
    }
    commits.push({
      id,
      ...readHead(head),
      diff: diff === '' ? '' : `${diff.trimEnd()}\n`,
      diffLine: start + 1 + Math.max(end, 0),
    });
  }
  return commits;
}

function readHead(head: readonly string[]): Pick<PrintedCommit, 'subject' | 'author'> {
  const author = head.find((line) => line.startsWith('Author: '))?.slice('Author: '.length);
  const subject = head.find((line) => line.startsWith('    ') && line.trim() !== '')?.trim() ?? '';
  return { subject, ...(author === undefined ? {} : { author: author.trim() }) };
}

/**
 * Number of signs that the list is in order: a commit begins with a file, or removes a line, as an earlier commit left
 * it.
 */
function evidence(commits: readonly PrintedCommit[]): number {
  const hasBlobs = commits.every(({ diff }) => blobLine.test(diff));
  return hasBlobs ? sharedBlobs(commits) : sharedLines(commits);
}

/** git-diff(1), "Generating patch text with -p": `index 7a1c33d..b0f2d4e 100644`. */
const blobLine = /^index ([0-9a-f]{7,})\.\.([0-9a-f]{7,})/m;

function sharedBlobs(commits: readonly PrintedCommit[]): number {
  const left = new Set<string>();
  let signs = 0;
  for (const { diff } of commits) {
    for (const line of diff.split('\n')) {
      const [, old = '', young = ''] = blobLine.exec(line) ?? [];
      if (old === '') continue;
      // git abbreviates each object name to its own length.
      if (left.has(old.slice(0, 7)) && !/^0+$/.test(old)) signs += 1;
      left.add(young.slice(0, 7));
    }
  }
  return signs;
}

function sharedLines(commits: readonly PrintedCommit[]): number {
  const brought = new Set<string>();
  let signs = 0;
  for (const { diff } of commits) {
    const files = changedLines(diff);
    for (const { oldPath, removed } of files) {
      signs += removed.filter(({ text }) => brought.has(`${oldPath}\n${text}`)).length;
    }
    for (const { newPath, added } of files) {
      for (const { text } of added) {
        if (text.trim().length > 3) brought.add(`${newPath}\n${text}`);
      }
    }
  }
  return signs;
}

import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { HarnessError } from '../errors.ts';
import { borrowRepository } from '../host/borrow-repository.ts';
import { runGit } from '../host/git.ts';
import { resolveRevision } from '../host/revision.ts';
import { oneLine, type PassedOver } from './thread-words.ts';

/** A range of commits, `DIR@A..B`: the commits of the git tree DIR that B contains and A does not. */
export interface GitRange {
  /** Absolute path of the git tree. */
  readonly dir: string;
  readonly from: string;
  readonly to: string;
}

/**
 * Parses `DIR@A..B`, `DIR@A..` (up to HEAD) or `DIR@..B` (from HEAD). Returns undefined for other text, when `spec` itself names a
 * file or folder, and when DIR is not a folder. Throws `usage` when DIR is a folder but no range follows it: `DIR@A`, `DIR@A...B`,
 * or two ends that are written the same.
 */
export async function parseGitRange(spec: string, cwd: string): Promise<GitRange | undefined> {
  if (await exists(resolve(cwd, spec))) return undefined;
  const found = await findFolder(spec, cwd);
  if (found === undefined) return undefined;
  const { folder, words } = found;
  const dir = resolve(cwd, folder);
  const [, from = '', dots = '', to = ''] = /^(.*?)(\.{2,})(.*)$/s.exec(words) ?? [];
  const [first, last] = [from || 'HEAD', to || 'HEAD'];
  if (dots === '..' && first !== last) return { dir, from: first, to: last };
  throw new HarnessError(
    'usage',
    `series ${spec} is not a range of commits: ${whyNoRange(`${folder}@`, words, dots)}`,
  );
}

/**
 * Splits the text at an `@` into the folder before and the words behind. Revisions have an `@` as well: `main@{1}`, and `@` for
 * HEAD. The last `@` that has a folder before it counts.
 */
async function findFolder(
  spec: string,
  cwd: string,
): Promise<{ readonly folder: string; readonly words: string } | undefined> {
  for (let at = spec.lastIndexOf('@'); at > 0; at = spec.lastIndexOf('@', at - 1)) {
    const [folder, words] = [spec.slice(0, at), spec.slice(at + 1)];
    if (words !== '' && (await isFolder(resolve(cwd, folder)))) return { folder, words };
  }
  return undefined;
}

function whyNoRange(tree: string, words: string, dots: string): string {
  if (dots === '..') return 'both ends are the same commit';
  if (dots === '...') {
    const right = words.replace('...', '..');
    return `A...B is both sides of a fork; for the commits of the second side give ${tree}${right}`;
  }
  if (dots !== '') return 'give DIR@A..B';
  // git's own word for the change of one commit is REV^!.
  const one = words.replace(/\^(?:!|-\d*)$/, '');
  const alone = `${tree}${one}~..${one}`;
  return `one commit is no range; for its patch give ${alone}, for the commits after it ${tree}${one}..`;
}

async function isFolder(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

/** A commit, read from git directly, because a mail would change some messages and line ends. */
export interface Commit {
  readonly subject: string;
  /** `Name <address>`. */
  readonly author: string;
  /** The diff, one character per byte. */
  readonly diff: string;
}

/**
 * Reads the commits of a range, oldest first, through a borrowed repository (borrow-repository.ts). Commits without a change are
 * passed over. Throws `usage` for an unknown revision, for an empty range, and for a range with merges, which a series cannot
 * represent.
 */
export async function readGitRange(
  range: GitRange,
  signal: AbortSignal,
): Promise<{ readonly commits: readonly Commit[]; readonly passedOver: readonly PassedOver[] }> {
  const { dir, from, to } = range;
  const shown = `series ${dir}@${from}..${to}`;
  const [first, last] = await Promise.all(
    [from, to].map(async (rev) => resolveRevision(dir, rev, signal, 'series')),
  );
  if (first === undefined || last === undefined)
    throw new HarnessError('internal', `${shown}: an end of the range was not resolved`);
  const scratch = await mkdtemp(join(tmpdir(), 'splat-range-'));
  try {
    const gitDir = await borrowRepository(last, join(scratch, 'bare.git'), signal);
    const between = `${first.commitId}..${last.commitId}`;
    const count = async (...flags: readonly string[]): Promise<number> =>
      Number((await runGit([gitDir, 'rev-list', '--count', ...flags, between], { signal })).stdout);
    if ((await count()) === 0)
      throw new HarnessError('usage', `${shown}: there is no commit in this range`);
    const merges = await count('--merges');
    if (merges > 0) {
      throw new HarnessError(
        'usage',
        `${shown}: this range has merges (${merges}), and a series must not`,
      );
    }
    const commits: Commit[] = [];
    for (const { id, ...commit } of await listCommits(gitDir, between, signal)) {
      commits.push({ ...commit, diff: await readCommitDiff(gitDir, id, { scratch, signal }) });
    }
    const empty = commits.filter(({ diff }) => diff === '');
    return {
      commits: commits.filter(({ diff }) => diff !== ''),
      passedOver: empty.map(({ subject }) => ({
        subject: oneLine(subject),
        why: 'a commit that changes nothing',
      })),
    };
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

async function listCommits(
  gitDir: string,
  between: string,
  signal: AbortSignal,
): Promise<readonly (Omit<Commit, 'diff'> & { readonly id: string })[]> {
  const flags = ['-z', '--reverse', '--topo-order', '--encoding=UTF-8'];
  const format = '--format=%H%x00%an <%ae>%x00%s';
  const { stdout } = await runGit([gitDir, 'log', ...flags, format, between], { signal });
  const fields = stdout.split('\0');
  return Array.from({ length: Math.floor(fields.length / 3) }, (_, at) => {
    const [id = '', author = '', subject = ''] = fields.slice(3 * at, 3 * at + 3);
    return { id, author, subject };
  });
}

async function readCommitDiff(
  gitDir: string,
  id: string,
  { scratch, signal }: { readonly scratch: string; readonly signal: AbortSignal },
): Promise<string> {
  // git writes the diff to a file, because printed output would be decoded and sources may be in any encoding.
  const out = join(scratch, 'diff');
  const shape = ['-p', '--root', '-M', '--binary', '--full-index', '--no-commit-id'];
  const flags = [...shape, '--no-ext-diff', '--no-textconv', `--output=${out}`];
  await runGit([gitDir, 'diff-tree', ...flags, id], { signal });
  return readFile(out, 'latin1');
}

/**
 * Returns the `git patch-id --stable` of a diff: 40 or more hexadecimal digits. Returns undefined when git finds no diff in
 * the text.
 */
export async function patchId(diff: string, signal: AbortSignal): Promise<string | undefined> {
  const input = Buffer.from(diff, 'latin1');
  const end = await runGit(['patch-id', '--stable'], { signal, input, okCodes: [0, 1, 128] });
  return /^[0-9a-f]{40,64}/.exec(end.stdout)?.[0];
}

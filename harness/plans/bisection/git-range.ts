import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { HarnessError } from '../../errors.ts';
import { readIfThere } from '../../host/disk.ts';
import { runGit } from '../../host/git.ts';
import { resolveRevision } from '../../host/revision.ts';
import { shortName } from '../../trial/short-name.ts';
import { buildHistory, type CommitParents, type History } from './history.ts';

/** The two ends of a range of commits, as the user named the ends, and the options that limit the commits between the ends. */
export interface RangeRequest {
  /** Absolute path of a git repository. Nothing is written to it. */
  readonly tree: string;
  readonly good: string;
  readonly bad: string;
  /** True when the good end is the newer end. The search is then for the commit that removed the splat. */
  readonly reverse: boolean;
  readonly firstParent: boolean;
  /** Paths in the tree. Only commits that touch one of these paths are candidates. An empty list makes all commits candidates. */
  readonly paths: readonly string[];
  readonly signal: AbortSignal;
}

/** The candidates of a bisection, each with a line of text. */
export interface Candidates {
  readonly history: History;
  /**
   * The text of each candidate, by the candidate's id: the first line of a commit message, the subject of a patch, or a changed
   * config line. Untrusted text.
   */
  readonly subjects: ReadonlyMap<string, string>;
}

/**
 * Returns the commits that `git rev-list OLD..NEW` lists. Throws `usage` when an end is no commit, when the old end is not an
 * ancestor of the new end, or when no commit lies between them.
 */
export async function readRange(request: RangeRequest): Promise<Candidates> {
  const { tree, good, bad, reverse, signal } = request;
  const [oldName, newName] = reverse ? [bad, good] : [good, bad];
  const oldEnd = (await resolveRevision(tree, oldName, signal)).commitId;
  const newEnd = (await resolveRevision(tree, newName, signal)).commitId;
  const isAncestor = await runGit(['merge-base', '--is-ancestor', oldEnd, newEnd], {
    signal,
    cwd: tree,
    okCodes: [0, 1],
  });
  if (isAncestor.exitCode !== 0) {
    const hint = reverse
      ? 'with --reverse the good end is the newer one'
      : `give their merge base in place of ${oldName}`;
    throw new HarnessError('usage', `${oldName} is not an ancestor of ${newName}; ${hint}`);
  }
  const listed = await listCommits(request, oldEnd, newEnd);
  if (listed.length === 0) {
    const which = request.paths.length === 0 ? '' : ` that touches ${request.paths.join(', ')}`;
    throw new HarnessError('usage', `no commit${which} lies between ${oldName} and ${newName}`);
  }
  await requireWhole(request, oldEnd, newEnd);
  const subjects = await readSubjects(tree, oldEnd, newEnd, signal);
  if (request.paths.length === 0) return { history: buildHistory(oldEnd, listed), subjects };
  const all = await listCommits({ ...request, paths: [] }, oldEnd, newEnd);
  const touching = new Set(listed.map(({ id }) => id));
  const { commits, outside } = condense(all, touching);
  const named = [...outside].map((id) => [id, `${subjects.get(id) ?? ''}${leftOut}`] as const);
  return {
    history: buildHistory(oldEnd, commits, outside),
    subjects: new Map([...subjects, ...named]),
  };
}

/**
 * Throws `usage` when a shallow clone lacks the parents of a commit in the range. Such a commit would be blamed for all commits
 * behind it.
 */
async function requireWhole(
  { tree, signal, ...request }: RangeRequest,
  oldEnd: string,
  newEnd: string,
): Promise<void> {
  const path = await runGit(['rev-parse', '--git-path', 'shallow'], { signal, cwd: tree });
  const list = await readIfThere(readFile(resolve(tree, path.stdout.trim()), 'utf8'));
  if (list === undefined) return;
  const ends = new Set(list.split('\n'));
  const all = await listCommits({ ...request, tree, signal, paths: [] }, oldEnd, newEnd);
  const end = all.find(({ id }) => ends.has(id))?.id;
  if (end === undefined) return;
  throw new HarnessError(
    'usage',
    `${tree} is a shallow clone, and the history of the range ends at ${shortName(end)}: git fetch --unshallow completes it`,
  );
}

const leftOut = ' (and what --path leaves out before it)';

/**
 * Reduces a history to the commits that touch the paths of --path, the parents of these commits, and the new end. `outside`
 * contains the kept commits that touch no path. Each commit in `outside` stands for all left-out commits before it, back to the
 * nearest kept commit. Without `outside`, the next candidate would be blamed for a left-out commit.
 */
export function condense(
  all: readonly CommitParents[],
  touching: ReadonlySet<string>,
): { readonly commits: readonly CommitParents[]; readonly outside: ReadonlySet<string> } {
  const inRange = new Set(all.map(({ id }) => id));
  const outside = new Set(
    all
      .filter(({ id }) => touching.has(id))
      .flatMap(({ parents }) => parents)
      .concat(all.at(-1)?.id ?? [])
      .filter((id) => inRange.has(id) && !touching.has(id)),
  );
  /**
   * Maps each kept commit to itself, and each left-out commit to its nearest kept ancestors. After a merge there may be several.
   */
  const nearest = new Map<string, readonly string[]>();
  const commits: CommitParents[] = [];
  for (const { id, parents } of all) {
    const [first = [], ...others] = parents.map((parent) => nearest.get(parent) ?? []);
    const above = others.length === 0 ? first : [...new Set([...first, ...others.flat()])];
    const isKept = touching.has(id) || outside.has(id);
    if (isKept) commits.push({ id, parents: above });
    nearest.set(id, isKept ? [id] : above);
  }
  return { commits, outside };
}

async function listCommits(
  { tree, firstParent, paths, signal }: RangeRequest,
  oldEnd: string,
  newEnd: string,
): Promise<readonly CommitParents[]> {
  const flags = [
    '--topo-order',
    '--reverse',
    '--parents',
    ...(firstParent ? ['--first-parent'] : []),
  ];
  const range = [`${oldEnd}..${newEnd}`, '--', ...paths];
  const { stdout } = await runGit(['rev-list', ...flags, ...range], { signal, cwd: tree });
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const [id = '', ...parents] = line.split(' ');
      return { id, parents: firstParent ? parents.slice(0, 1) : parents };
    });
}

async function readSubjects(
  tree: string,
  oldEnd: string,
  newEnd: string,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, string>> {
  const { stdout } = await runGit(
    ['log', '--format=%H %s', '--no-show-signature', `${oldEnd}..${newEnd}`],
    { signal, cwd: tree },
  );
  const end = await runGit(['log', '-1', '--format=%H %s', '--no-show-signature', oldEnd], {
    signal,
    cwd: tree,
  });
  return new Map(
    `${end.stdout}${stdout}`
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => [line.slice(0, line.indexOf(' ')), line.slice(line.indexOf(' ') + 1)]),
  );
}

/**
 * Writes the diff between two commits to a file in `dir`, and returns the file's path. Returns undefined when the trees are equal.
 */
export async function writeDiff(
  tree: string,
  from: string,
  to: string,
  options: { readonly dir: string; readonly signal: AbortSignal },
): Promise<string | undefined> {
  const { dir, signal } = options;
  const file = join(dir, `${from.slice(0, 12)}-${to.slice(0, 12)}.diff`);
  const plainDiff = ['--binary', '--no-renames', '--no-ext-diff', '--no-textconv', '--no-color'];
  const prefixes = ['--src-prefix=a/', '--dst-prefix=b/'];
  const { exitCode } = await runGit(
    ['diff', ...plainDiff, ...prefixes, '--exit-code', `--output=${file}`, from, to],
    { signal, cwd: tree, okCodes: [0, 1] },
  );
  return exitCode === 0 ? undefined : file;
}

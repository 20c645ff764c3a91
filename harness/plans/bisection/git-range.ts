import { join } from 'node:path';
import { HarnessError } from '../../errors.ts';
import { runGit } from '../../kernel/git.ts';
import { resolveRevision } from '../../kernel/revision.ts';
import { buildHistory, type CommitParents, type History } from './history.ts';

/** The ends as the user named them, and which commits between them are looked at. */
export interface RangeRequest {
  /** A git repository, absolute. Nothing in it is written to. */
  readonly tree: string;
  readonly good: string;
  readonly bad: string;
  /** The good end is the newer one, and the commit that made it good is sought. */
  readonly reverse: boolean;
  readonly firstParent: boolean;
  /** Only commits that touch one of these paths; empty for all. */
  readonly paths: readonly string[];
  readonly signal: AbortSignal;
}

/** The candidates, and what they are called. */
export interface Candidates {
  readonly history: History;
  /** A line for each, by its id, as the first line of a commit's message; text of other people. */
  readonly subjects: ReadonlyMap<string, string>;
  /** The new end is no commit of its own here: blamed, it stands for everything --path leaves out. */
  readonly endIsOutside: boolean;
}

/** The commits between the two ends, as `git rev-list OLD..NEW` has them. Throws `usage` for ends that are none. */
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
    const hint = reverse ? 'with --reverse the good end is the newer one' : 'take their merge base';
    throw new HarnessError('usage', `${oldName} is not an ancestor of ${newName}; ${hint}`);
  }
  const listed = await listCommits(request, oldEnd, newEnd);
  if (listed.length === 0) {
    const which = request.paths.length === 0 ? '' : ` that touches ${request.paths.join(', ')}`;
    throw new HarnessError('usage', `no commit lies between ${oldName} and ${newName}${which}`);
  }
  const endIsOutside = listed.at(-1)?.id !== newEnd;
  const commits = endIsOutside ? [...listed, { id: newEnd, parents: headsOf(listed) }] : listed;
  const history = buildHistory(oldEnd, commits);
  return { history, subjects: await readSubjects(tree, oldEnd, newEnd, signal), endIsOutside };
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

/** Commits that are nobody's parent. */
function headsOf(commits: readonly CommitParents[]): readonly string[] {
  const parents = new Set(commits.flatMap((commit) => commit.parents));
  return commits.map(({ id }) => id).filter((id) => !parents.has(id));
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

/** Writes what turns the tree of `from` into that of `to` to a file in `dir`; undefined when they are the same. */
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

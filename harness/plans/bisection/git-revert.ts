import { join } from 'node:path';
import { borrowRepository } from '../../host/borrow-repository.ts';
import { runGit } from '../../host/git.ts';
import { resolveRevision } from '../../host/revision.ts';
import type { Conflict } from './range.ts';

export interface RevertRequest {
  /** Path of the user's repository. Nothing is written to it. */
  readonly tree: string;
  readonly culprit: string;
  /** The commit on which the culprit is reverted. */
  readonly onto: string;
}

export type Reverted =
  /** The new commit is in a repository in splat's folder. That repository uses the objects of the user's repository. */
  { readonly kind: 'reverted'; readonly repository: string; readonly commit: string } | Conflict;

/**
 * The author and the date of temporary commits. Both are fixed, because nobody sees these commits, and their ids must be the same
 * each time.
 */
const identity = Object.fromEntries(
  ['AUTHOR', 'COMMITTER'].flatMap((who) => [
    [`GIT_${who}_NAME`, 'splat'],
    [`GIT_${who}_EMAIL`, 'splat@localhost'],
    [`GIT_${who}_DATE`, '@1 +0000'],
  ]),
);

/**
 * Makes a commit with the tree that `git revert` of `culprit` on top of `onto` would give (for a merge, `git revert -m 1`).
 * Returns the conflict when later commits conflict with the revert. The tree comes from a three-way merge with the culprit as its
 * base, and `onto` and the culprit's first parent as its sides (git-revert(1)). Temporary commits give merge-tree (git 2.38) this
 * base, because its `--merge-base` came only with git 2.40.
 */
export async function revertCommit(
  { tree, culprit, onto }: RevertRequest,
  { dir, signal }: { readonly dir: string; readonly signal: AbortSignal },
): Promise<Reverted> {
  const repository = join(dir, 'revert.git');
  await borrowRepository(await resolveRevision(tree, culprit, signal), repository, signal);
  const git = async (...args: readonly string[]): Promise<string> =>
    (await runGit(args, { signal, cwd: repository, env: identity })).stdout.trim();
  const commitTree = async (of: string, ...parents: readonly string[]): Promise<string> =>
    git('commit-tree', `${of}^{tree}`, ...parents.flatMap((parent) => ['-p', parent]), '-m', 'x');
  const base = await commitTree(culprit);
  const [, parent] = (await git('rev-list', '--parents', '--max-count=1', culprit)).split(' ');
  // The Linux history has several root commits, so a commit may have no parent. The tree before a root commit is empty.
  const before =
    parent === undefined
      ? await git('commit-tree', await git('mktree'), '-p', base, '-m', 'x')
      : await commitTree(parent, base);
  const sides = [await commitTree(onto, base), before];
  const merged = await runGit(
    ['merge-tree', '--write-tree', '--name-only', '--no-messages', '-z', ...sides],
    { signal, cwd: repository, okCodes: [0, 1] },
  );
  const [treeId = '', ...conflicts] = merged.stdout.split('\0').filter((word) => word.trim());
  if (merged.exitCode !== 0) {
    const paths = [...new Set(conflicts)].join(', ');
    return { kind: 'conflict', message: `later commits conflict with the revert in ${paths}` };
  }
  return { kind: 'reverted', repository, commit: await git('commit-tree', treeId, '-m', 'x') };
}

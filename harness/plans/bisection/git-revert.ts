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
  /** The reverted commit is in a repository in splat's folder, which borrows the user's objects. */
  { readonly kind: 'reverted'; readonly repository: string; readonly commit: string } | Conflict;

/** A fixed author and date: these commits are never shown, and their ids must be the same each time. */
const identity = Object.fromEntries(
  ['AUTHOR', 'COMMITTER'].flatMap((who) => [
    [`GIT_${who}_NAME`, 'splat'],
    [`GIT_${who}_EMAIL`, 'splat@localhost'],
    [`GIT_${who}_DATE`, '@1 +0000'],
  ]),
);

/**
 * Makes a commit of the tree that `git revert` (for a merge `git revert -m 1`) of `culprit` on top of `onto` would make. Resolves
 * to the conflict when later commits conflict with the revert. The tree comes from a three-way merge whose base is the culprit
 * and whose sides are `onto` and the culprit's first parent (git-revert(1)). Temporary commits give merge-tree (git 2.38) that
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
  const sides = [await commitTree(onto, base), await commitTree(`${culprit}^1`, base)];
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

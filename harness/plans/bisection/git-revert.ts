import { join } from 'node:path';
import { borrowRepository } from '../../host/borrowed.ts';
import { runGit } from '../../host/git.ts';
import { resolveRevision } from '../../host/revision.ts';
import type { Conflict } from './range.ts';

export interface RevertRequest {
  /** The user's repository; nothing in it is written to. */
  readonly tree: string;
  readonly culprit: string;
  /** The commit it is reverted on. */
  readonly onto: string;
}

export type Reverted =
  /** A commit in a repository of ours that borrows the user's objects. */
  { readonly kind: 'reverted'; readonly repository: string; readonly commit: string } | Conflict;

/** Commits of ours are never shown; their names must only be the same each time. */
const identity = Object.fromEntries(
  ['AUTHOR', 'COMMITTER'].flatMap((who) => [
    [`GIT_${who}_NAME`, 'splat'],
    [`GIT_${who}_EMAIL`, 'splat@localhost'],
    [`GIT_${who}_DATE`, '@1 +0000'],
  ]),
);

/**
 * What `git revert` (for a merge `git revert -m 1`) would make of `culprit` on top of `onto`: a three-way merge whose base
 * is the culprit and whose sides are `onto` and the culprit's first parent (git-revert(1)). Commits of ours give merge-tree
 * (git 2.38) that base; `--merge-base` came with 2.40 only.
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
    return { kind: 'conflict', message: `later commits changed what it changed in ${paths}` };
  }
  return { kind: 'reverted', repository, commit: await git('commit-tree', treeId, '-m', 'x') };
}

import { runGit } from '../../host/git.ts';
import type { IsAncestor } from './lock-news.ts';
import type { NightPlan } from './plan-night.ts';

/**
 * Returns a function that tells whether a commit is an ancestor of another commit, or the same, in the git tree of a cell's kernel.
 * The function answers false for a commit that the tree does not have, and for a kernel without a git tree.
 */
export function ancestryIn({ pins }: Pick<NightPlan, 'pins'>, signal: AbortSignal): IsAncestor {
  return async ({ kernel }, from, to) => {
    const tree = pins[kernel]?.tree;
    if (tree === undefined) return false;
    if (from === to) return true;
    const args = ['merge-base', '--is-ancestor', from, to];
    const end = await runGit(args, { signal, cwd: tree, okCodes: [0, 1, 128] });
    return end.exitCode === 0;
  };
}

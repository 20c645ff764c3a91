import { runGit } from '../../host/git.ts';
import type { IsAncestor } from './lock-news.ts';
import type { NightPlan } from './plan-night.ts';

/**
 * Returns a function that looks up ancestors in the git trees of a plan. A commit counts as an ancestor of itself. The answer is
 * false for a commit that the tree does not have, and for a kernel without a tree.
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

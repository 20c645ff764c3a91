import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import type { CommandContext } from './context.ts';

/** Files that only the top folder of a Linux tree has together. */
const marksOfTree = ['Kbuild', 'Kconfig', 'MAINTAINERS', 'include/linux/kernel.h'];

/**
 * The default folder of run directories: `splat-runs` below the working directory. In a kernel tree, where that would
 * be an untracked folder, `$XDG_STATE_HOME/splat` (XDG Base Directory Specification 0.8).
 */
export function runsFolder({ cwd, env }: Pick<CommandContext, 'cwd' | 'env'>): string {
  if (!isInKernelTree(cwd)) return join(cwd, 'splat-runs');
  const state = env['XDG_STATE_HOME'] ?? '';
  // The specification ignores a relative path.
  return join(state.startsWith('/') ? state : join(homedir(), '.local/state'), 'splat');
}

function isInKernelTree(dir: string): boolean {
  for (let at = dir; ; at = dirname(at)) {
    if (marksOfTree.every((mark) => existsSync(join(at, mark)))) return true;
    if (at === dirname(at)) return false;
  }
}

/** A path for people: relative when it is below the working directory, else absolute. */
export function shownPath(path: string, cwd: string): string {
  const below = relative(cwd, path) || '.';
  return below.startsWith('..') ? path : below;
}

import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { basename, dirname, join, relative } from 'node:path';
import { valueDigest } from '../host/store.ts';
import type { CommandContext } from './context.ts';

/** Files that, together, only the top folder of a Linux tree has. */
const marksOfTree = ['Kbuild', 'Kconfig', 'MAINTAINERS', 'include/linux/kernel.h'];

/**
 * The default folder of run directories: `splat-runs` below the working directory. In a kernel tree, where that would
 * be an untracked folder, `$XDG_STATE_HOME/splat` (XDG Base Directory Specification 0.8).
 */
export function runsFolder({ cwd, env }: Pick<CommandContext, 'cwd' | 'env'>): string {
  return isInKernelTree(cwd) ? stateFolder(env) : join(cwd, 'splat-runs');
}

/**
 * The default parent folder of nights: `splat-nights` below the working directory. In a kernel tree it is `nights` in
 * `$XDG_STATE_HOME/splat`, as for runs.
 */
export function nightsFolder({ cwd, env }: Pick<CommandContext, 'cwd' | 'env'>): string {
  return isInKernelTree(cwd) ? join(stateFolder(env), 'nights') : join(cwd, 'splat-nights');
}

/** The name of a night's folder, `20261129-194300`, from the name of the night, `2026-11-29T19:43:00Z`. */
export function nightStamp(name: string): string {
  return name.replaceAll(/[-:Z]/g, '').replace('T', '-');
}

/**
 * The path of a folder's default history: `splat-history.db` in the folder. The history of a kernel tree is in the state folder,
 * with the tree's path in its name as a digest, because cells of two trees may have the same name.
 */
export function historyFile(dir: string, env: NodeJS.ProcessEnv): string {
  if (!isInKernelTree(dir)) return join(dir, 'splat-history.db');
  return join(stateFolder(env), `history-${basename(dir)}-${valueDigest(dir).slice(0, 8)}.db`);
}

/** The folder of the documents that wait to be submitted to a server. */
export function kcidbSpool(host: string, env: NodeJS.ProcessEnv): string {
  return join(stateFolder(env), 'kcidb', host.replaceAll(/[^\w.-]/g, '_'));
}

function stateFolder(env: NodeJS.ProcessEnv): string {
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

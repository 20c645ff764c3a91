import { existsSync } from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';
import { userFolder } from '../host/home-folder.ts';
import { valueDigest } from '../host/store.ts';
import type { CommandContext } from './context.ts';

/** Files that exist together only in the top folder of a Linux tree. */
const marksOfTree = ['Kbuild', 'Kconfig', 'MAINTAINERS', 'include/linux/kernel.h'];

/**
 * Returns the default folder of run directories: `splat-runs` below the working directory. In a kernel tree, where this would be an
 * untracked folder, returns `$XDG_STATE_HOME/splat` (XDG Base Directory Specification 0.8).
 */
export function runsFolder({ cwd, env }: Pick<CommandContext, 'cwd' | 'env'>): string {
  return isInKernelTree(cwd) ? stateFolder(env) : join(cwd, 'splat-runs');
}

/**
 * Returns the default parent folder of nights: `splat-nights` below the working directory. In a kernel tree, returns `nights`
 * in `$XDG_STATE_HOME/splat`.
 */
export function nightsFolder({ cwd, env }: Pick<CommandContext, 'cwd' | 'env'>): string {
  return isInKernelTree(cwd) ? join(stateFolder(env), 'nights') : join(cwd, 'splat-nights');
}

/** Returns the name of a night's folder, such as `20261129-194300` for the night `2026-11-29T19:43:00Z`. */
export function nightStamp(name: string): string {
  return name.replaceAll(/[-:Z]/g, '').replace('T', '-');
}

/**
 * Returns the path of the default history for a folder: `splat-history.db` in this folder. For a kernel tree, the history is in the
 * state folder, and its name has a digest of the tree's path, because cells of two trees may have the same name.
 */
export function historyFile(dir: string, env: NodeJS.ProcessEnv): string {
  if (!isInKernelTree(dir)) return join(dir, 'splat-history.db');
  return join(stateFolder(env), `history-${nameOfTree(dir)}.db`);
}

/**
 * Returns the path of the default file of known issues for a folder: `splat-known.yaml` in this folder. For a kernel tree, the file
 * is in the state folder.
 */
export function knownFile(dir: string, env: NodeJS.ProcessEnv): string {
  if (!isInKernelTree(dir)) return join(dir, 'splat-known.yaml');
  return join(stateFolder(env), `known-${nameOfTree(dir)}.yaml`);
}

/** The name of a folder, and a digest of its path. */
function nameOfTree(dir: string): string {
  return `${basename(dir)}-${valueDigest(dir).slice(0, 8)}`;
}

/** Returns the folder with the KCIDB documents that wait to be sent to the server `host`. */
export function kcidbSpool(host: string, env: NodeJS.ProcessEnv): string {
  return join(stateFolder(env), 'kcidb', host.replaceAll(/[^\w.-]/g, '_'));
}

function stateFolder(env: NodeJS.ProcessEnv): string {
  return userFolder(env, 'XDG_STATE_HOME', '.local/state');
}

function isInKernelTree(dir: string): boolean {
  return kernelTreeAround(dir) !== undefined;
}

/** The top folder of the Linux tree that contains `dir`, which may be `dir` itself. Undefined outside of Linux trees. */
function kernelTreeAround(dir: string): string | undefined {
  for (let at = dir; ; at = dirname(at)) {
    if (marksOfTree.every((mark) => existsSync(join(at, mark)))) return at;
    if (at === dirname(at)) return undefined;
  }
}

/**
 * Returns a note for a run without --kernel in a kernel tree: `this folder is a kernel tree; --kernel . tests it`. Returns
 * undefined outside of Linux trees.
 */
export function kernelTreeNote(cwd: string): string | undefined {
  const tree = kernelTreeAround(cwd);
  if (tree === undefined) return undefined;
  return tree === cwd
    ? 'this folder is a kernel tree; --kernel . tests it'
    : `this folder is in a kernel tree; --kernel ${relative(cwd, tree)} tests the tree`;
}

/** Returns a path for people: relative when the path is below the working directory, else absolute. */
export function shownPath(path: string, cwd: string): string {
  const below = relative(cwd, path) || '.';
  return below.startsWith('..') ? path : below;
}

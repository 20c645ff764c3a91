import { lstat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { readIfThere } from '../host/disk.ts';
import { runSandboxed, type Sandbox } from '../host/sandbox.ts';

/**
 * Returns the recipients for a change of `files`, as scripts/get_maintainer.pl of the tree names them: addresses of maintainers,
 * reviewers and lists. For a file that the tree lacks, the nearest existing folder is used. The script is code of the tree, so it
 * runs in the sandbox. Returns an empty list when the script is missing or fails, for example without perl.
 */
export async function findMaintainers(
  tree: string,
  files: readonly string[],
  options: { readonly sandbox: Sandbox; readonly signal: AbortSignal },
): Promise<readonly string[]> {
  const { sandbox, signal } = options;
  const known = await Promise.all(files.map(async (file) => nearestKnown(tree, file)));
  const paths = [...new Set(known.filter((path) => path !== undefined))];
  if (paths.length === 0) return [];
  const mount = { host: tree, inside: '/splat/src', writable: false };
  const flags = ['--no-git', '--no-git-fallback', '--no-rolestats', '--no-tree'];
  const end = await runSandboxed(
    sandbox,
    'perl',
    ['scripts/get_maintainer.pl', ...flags, '-f', '--', ...paths],
    { signal, mounts: [mount], cwd: mount },
  );
  if (end.exitCode !== 0) return [];
  return [...new Set(end.stdout.split('\n').map((line) => line.trim()))].filter((line) =>
    /^[^\s@]+@[^\s@]+$|<[^<>@\s]+@[^<>\s]+>$/.test(line),
  );
}

/**
 * The path if it exists in the tree, or else the nearest folder above it that exists, because the script stops at a missing file.
 * Undefined for a path that leaves the tree.
 */
async function nearestKnown(tree: string, path: string): Promise<string | undefined> {
  if (path.startsWith('/') || path.split('/').includes('..')) return undefined;
  const found = await readIfThere(lstat(join(tree, path)));
  if (found !== undefined) return path;
  return path === '.' ? undefined : nearestKnown(tree, dirname(path));
}

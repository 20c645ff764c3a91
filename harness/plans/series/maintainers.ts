import { runSandboxed, type Sandbox } from '../../host/sandbox.ts';

/**
 * Who is to hear of a change of these files, as the base's own scripts/get_maintainer.pl says: addresses of maintainers,
 * reviewers and lists. It is code of the tree, so it runs confined; a tree without it, or a host without perl, has nobody.
 */
export async function findMaintainers(
  tree: string,
  files: readonly string[],
  options: { readonly sandbox: Sandbox; readonly signal: AbortSignal },
): Promise<readonly string[]> {
  const { sandbox, signal } = options;
  if (files.length === 0) return [];
  const mount = { host: tree, inside: '/splat/src', writable: false };
  const flags = ['--no-git', '--no-git-fallback', '--no-rolestats', '--no-tree'];
  const end = await runSandboxed(
    sandbox,
    'perl',
    ['scripts/get_maintainer.pl', ...flags, '-f', '--', ...files],
    { signal, mounts: [mount], cwd: mount },
  );
  if (end.exitCode !== 0) return [];
  return [...new Set(end.stdout.split('\n').map((line) => line.trim()))].filter((line) =>
    /^[^\s@]+@[^\s@]+$|<[^<>@\s]+@[^<>\s]+>$/.test(line),
  );
}

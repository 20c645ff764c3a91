import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { HarnessError } from '../errors.ts';
import { makeFolder } from './disk.ts';
import { runGit } from './git.ts';

/** A commit of the user's repository, by content. */
export interface Revision {
  readonly commitId: string;
  readonly treeId: string;
  /** The object folder of the repository, absolute. */
  readonly objects: string;
}

/** The commit `rev` names in the repository at `dir`. Throws `usage` when either is not there; `what` begins the message. */
export async function resolveRevision(
  dir: string,
  rev: string,
  signal: AbortSignal,
  what: 'kernel' | 'series' = 'kernel',
): Promise<Revision> {
  const names = [`${rev}^{commit}`, `${rev}^{tree}`];
  const [commitId, treeId] = await Promise.all(
    names.map((name) =>
      firstLine(['rev-parse', '--verify', '--quiet', '--end-of-options', name], dir, signal),
    ),
  );
  const objects = await firstLine(
    ['rev-parse', '--path-format=absolute', '--git-path', 'objects'],
    dir,
    signal,
  );
  if (objects === '')
    throw new HarnessError('usage', `${what} ${dir}@${rev}: ${dir} is no git tree`);
  if (!commitId || !treeId) {
    throw new HarnessError('usage', `${what} ${dir}@${rev}: no commit ${rev} in ${dir}`);
  }
  return { commitId, treeId, objects };
}

/**
 * Writes the files of a commit to the empty folder `tree`, through a bare repository of ours that borrows the user's
 * objects: its configuration, hooks, filters and index never come into play, and nothing of it is written to.
 */
export async function exportRevision(
  revision: Revision,
  tree: string,
  signal: AbortSignal,
): Promise<void> {
  const bare = `${tree}.git`;
  await makeFolder(tree);
  try {
    const gitDir = `--git-dir=${bare}`;
    await runGit(['init', '--quiet', '--bare', '--template=', bare], { signal });
    await makeFolder(join(bare, 'objects', 'info'));
    await writeFile(join(bare, 'objects', 'info', 'alternates'), `${revision.objects}\n`);
    await runGit([gitDir, 'read-tree', revision.treeId], { signal });
    await runGit([gitDir, `--work-tree=${tree}`, 'checkout-index', '--all', '--quiet'], {
      signal,
      cwd: tree,
    });
  } finally {
    await rm(bare, { recursive: true, force: true });
  }
}

async function firstLine(
  args: readonly string[],
  cwd: string,
  signal: AbortSignal,
): Promise<string> {
  const end = await runGit(args, { signal, cwd, okCodes: [0, 1, 128] });
  return end.exitCode === 0 ? end.stdout.trim() : '';
}

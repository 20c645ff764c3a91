import { copyFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { makeFolder } from './disk.ts';
import { runGit } from './git.ts';
import type { Revision } from './revision.ts';

/**
 * Makes the folder `bare` a bare repository that borrows the objects of the user's repository through git's alternates
 * (gitrepository-layout(5)). The user's configuration, hooks, filters and index are not used, and nothing is written to the user's
 * repository. The commits at which a shallow clone ends have no parents here, either. An existing folder `bare` is deleted first.
 * Returns the flag `--git-dir=BARE` for git.
 */
export async function borrowRepository(
  { commitId, objects, shallow }: Revision,
  bare: string,
  signal: AbortSignal,
): Promise<string> {
  await rm(bare, { recursive: true, force: true });
  const format = commitId.length === 64 ? 'sha256' : 'sha1';
  const flags = ['--quiet', '--bare', '--template=', `--object-format=${format}`];
  await runGit(['init', ...flags, bare], { signal });
  await makeFolder(join(bare, 'objects', 'info'));
  await writeFile(join(bare, 'objects', 'info', 'alternates'), `${objects}\n`);
  if (shallow !== undefined) await copyFile(shallow, join(bare, 'shallow'));
  return `--git-dir=${bare}`;
}

/**
 * Writes the files of a commit to the new or empty folder `tree`. The folder of a submodule stays empty. The commit is read through
 * borrowRepository() into `TREE.git`, a folder that is deleted at the end.
 */
export async function exportRevision(
  revision: Revision,
  tree: string,
  signal: AbortSignal,
): Promise<void> {
  const bare = `${tree}.git`;
  await makeFolder(tree);
  try {
    const gitDir = await borrowRepository(revision, bare, signal);
    await runGit([gitDir, 'read-tree', revision.treeId], { signal });
    await runGit([gitDir, `--work-tree=${tree}`, 'checkout-index', '--all', '--quiet'], {
      signal,
      cwd: tree,
    });
  } finally {
    await rm(bare, { recursive: true, force: true });
  }
}

import { stat } from 'node:fs/promises';
import { HarnessError } from '../errors.ts';
import { readIfThere } from './disk.ts';
import { runGit } from './git.ts';

/** A commit of the user's git repository. The ids are git object ids, in hex. */
export interface Revision {
  readonly commitId: string;
  readonly treeId: string;
  /** The absolute path of the folder with the objects of the repository. */
  readonly objects: string;
  /** The file of a shallow clone that lists the commits without parents. Absent for a complete repository. */
  readonly shallow?: string;
}

/**
 * Returns the commit that `rev` names in the repository at `dir`. Throws `usage` when `dir` is not a repository or has no such
 * commit; `what` begins the message.
 */
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
  const pathOf = async (name: string): Promise<string> =>
    firstLine(['rev-parse', '--path-format=absolute', '--git-path', name], dir, signal);
  const objects = await pathOf('objects');
  if (objects === '')
    throw new HarnessError('usage', `${what} ${dir}@${rev}: ${dir} is not a git repository`);
  if (!commitId || !treeId) {
    throw new HarnessError('usage', `${what} ${dir}@${rev}: ${dir} has no commit ${rev}`);
  }
  const shallow = await pathOf('shallow');
  const isShallow = (await readIfThere(stat(shallow)))?.isFile() === true;
  return { commitId, treeId, objects, ...(isShallow ? { shallow } : {}) };
}

/**
 * Throws `usage` when `dir`, a path that the user gave, is not a git repository; `what` begins the message. A missing `dir` is
 * checked first, because git cannot be started in a folder that does not exist.
 */
export async function requireRepository(
  dir: string,
  what: string,
  signal: AbortSignal,
): Promise<void> {
  const found = await readIfThere(stat(dir));
  const fault =
    found === undefined
      ? 'no such folder'
      : !found.isDirectory()
        ? 'it is not a folder'
        : (await firstLine(['rev-parse', '--git-dir'], dir, signal)) === ''
          ? 'it is not a git repository'
          : undefined;
  if (fault !== undefined) throw new HarnessError('usage', `${what} ${dir}: ${fault}`);
}

async function firstLine(
  args: readonly string[],
  cwd: string,
  signal: AbortSignal,
): Promise<string> {
  const end = await runGit(args, { signal, cwd, okCodes: [0, 1, 128] });
  return end.exitCode === 0 ? end.stdout.trim() : '';
}

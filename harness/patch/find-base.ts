import { counted } from '../counted.ts';
import { HarnessError } from '../errors.ts';
import { runGit } from '../host/git.ts';
import { requireRepository } from '../host/revision.ts';
import type { Series } from './patch.ts';

/** The largest number of branches and tags that are searched, newest first. */
const mostRefs = 400;

/**
 * Finds the commit on which a series was made, in the git tree at `dir`. If the tree has the base-commit that the series names,
 * this is the commit. Otherwise, the first commit is taken that has the files from which the series starts: HEAD is tried first,
 * then the 400 newest branches and tags, newest first. Files are compared by blob; the first diff of a file in the series names the
 * blob (`index 7a1c33d..b0f2d4e`). `because` is the reason in words. Throws `usage` when no commit is found.
 */
export async function findBase(
  series: Series,
  dir: string,
  signal: AbortSignal,
): Promise<{ readonly commit: string; readonly because: string }> {
  await requireRepository(dir, '--tree', signal);
  const said = series.trailers?.baseCommit;
  if (said !== undefined) {
    const end = await runGit(['cat-file', '-e', `${said}^{commit}`], {
      signal,
      cwd: dir,
      okCodes: [0, 1, 128],
    });
    if (end.exitCode === 0) return { commit: said, because: 'its base-commit' };
  }
  const blobs = firstBlobs(series);
  const lacks =
    said === undefined
      ? 'it names no base-commit'
      : `${dir} lacks its base-commit ${said.slice(0, 12)}`;
  if (blobs.size === 0) {
    const what = `${lacks}, and its diffs name no blobs`;
    throw new HarnessError(
      'usage',
      `series ${series.name}: its base cannot be found: ${what}; give --base`,
    );
  }
  for (const commit of await listRefs(dir, signal)) {
    if (await hasBlobs(dir, commit, { blobs, signal })) {
      return { commit, because: `its blobs of ${counted(blobs.size, 'file')}` };
    }
  }
  const what = `${lacks}, and no branch or tag of ${dir} has the blobs that its diffs name`;
  throw new HarnessError(
    'usage',
    `series ${series.name}: its base cannot be found: ${what}; give --base, or fetch the base into the tree`,
  );
}

/**
 * The blobs from which the series starts, by the path of the file. The object names are full or abbreviated, as in the diffs. Files
 * that the series creates are left out.
 */
function firstBlobs({ patches }: Series): ReadonlyMap<string, string> {
  const blobs = new Map<string, string>();
  const seen = new Set<string>();
  for (const { diff } of patches) {
    let blob: string | undefined;
    for (const line of diff.split('\n')) {
      if (line.startsWith('diff --git ')) blob = undefined;
      blob = /^index ([0-9a-f]{7,64})\.\.[0-9a-f]{7,64}/.exec(line)?.[1] ?? blob;
      const old = /^--- a\/([^\t]+)/.exec(line)?.[1];
      const young = /^\+\+\+ b\/([^\t]+)/.exec(line)?.[1];
      if (old !== undefined && blob !== undefined && !seen.has(old)) blobs.set(old, blob);
      for (const path of [old, young]) if (path !== undefined) seen.add(path);
    }
  }
  return blobs;
}

async function listRefs(dir: string, signal: AbortSignal): Promise<readonly string[]> {
  const head = await runGit(['rev-parse', '--verify', '--quiet', 'HEAD'], {
    signal,
    cwd: dir,
    okCodes: [0, 1, 128],
  });
  const sorted = ['--sort=-creatordate', `--count=${mostRefs}`];
  const refs = await runGit(
    [
      'for-each-ref',
      ...sorted,
      '--format=%(objectname)^{commit}',
      'refs/heads',
      'refs/remotes',
      'refs/tags',
    ],
    { signal, cwd: dir },
  );
  const names = [head.stdout.trim(), ...refs.stdout.split('\n')].filter((name) => name !== '');
  const end = await runGit(['cat-file', '--batch-check=%(objectname)'], {
    signal,
    cwd: dir,
    input: `${names.join('\n')}\n`,
  });
  return [...new Set(end.stdout.split('\n').filter((line) => /^[0-9a-f]{40,64}$/.test(line)))];
}

async function hasBlobs(
  dir: string,
  commit: string,
  options: { readonly blobs: ReadonlyMap<string, string>; readonly signal: AbortSignal },
): Promise<boolean> {
  const paths = [...options.blobs];
  const { stdout } = await runGit(['cat-file', '--batch-check=%(objectname)'], {
    signal: options.signal,
    cwd: dir,
    input: `${paths.map(([path]) => `${commit}:${path}`).join('\n')}\n`,
  });
  const found = stdout.split('\n');
  return paths.every(([, blob], at) => found[at]?.startsWith(blob) === true);
}

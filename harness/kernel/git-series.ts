import { copyFile, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { HarnessError } from '../errors.ts';
import { makeFolder } from '../host/disk.ts';
import { runGit } from './git.ts';
import { resolveRevision } from './revision.ts';

/** `DIR@A..B`: the commits of a git tree that are in B and not in A. */
export interface GitRange {
  /** Absolute. */
  readonly dir: string;
  readonly from: string;
  readonly to: string;
}

/** The range `spec` names, or undefined when it is none: the folder must be there. */
export async function parseGitRange(spec: string, cwd: string): Promise<GitRange | undefined> {
  const match = /^(.+)@([^@]*[^@.])\.\.([^@.][^@]*)$/s.exec(spec);
  if (match === null) return undefined;
  const [, folder = '', from = '', to = ''] = match;
  const dir = resolve(cwd, folder);
  const found = await stat(dir).catch(() => undefined);
  return found?.isDirectory() === true ? { dir, from, to } : undefined;
}

/**
 * The commits of a range as git format-patch mails them, through a bare repository of ours that borrows the user's
 * objects: its configuration never comes into play. Throws `usage` for a range without commits and for one with merges,
 * whose changes no mail can carry.
 */
export async function readGitRange(range: GitRange, signal: AbortSignal): Promise<Buffer> {
  const { dir, from, to } = range;
  const shown = `series ${dir}@${from}..${to}`;
  const [first, last] = await Promise.all(
    [from, to].map(async (rev) => resolveRevision(dir, rev, signal, 'series')),
  );
  if (first === undefined || last === undefined) throw new HarnessError('internal', shown);
  const scratch = await mkdtemp(join(tmpdir(), 'splat-range-'));
  try {
    const bare = join(scratch, 'bare.git');
    const gitDir = `--git-dir=${bare}`;
    await runGit(['init', '--quiet', '--bare', '--template=', bare], { signal });
    await makeFolder(join(bare, 'objects', 'info'));
    await writeFile(join(bare, 'objects', 'info', 'alternates'), `${last.objects}\n`);
    // Commits whose parents a shallow clone does not have.
    await copyFile(join(last.objects, '..', 'shallow'), join(bare, 'shallow')).catch(
      () => undefined,
    );
    const commits = `${first.commitId}..${last.commitId}`;
    const count = async (...flags: readonly string[]): Promise<number> =>
      Number((await runGit([gitDir, 'rev-list', '--count', ...flags, commits], { signal })).stdout);
    if ((await count()) === 0) throw new HarnessError('usage', `${shown}: no commit`);
    const merges = await count('--merges');
    if (merges > 0) {
      throw new HarnessError('usage', `${shown}: ${merges} merges; a series is a line of commits`);
    }
    // As files: what is printed would be decoded, and sources are in any encoding.
    const out = join(scratch, 'out');
    const flags = ['--numbered', '--no-ext-diff', '--no-textconv', '--full-index', `-o${out}`];
    await runGit([gitDir, 'format-patch', '--quiet', ...flags, commits], { signal });
    const names = (await readdir(out)).toSorted();
    return Buffer.concat(await Promise.all(names.map((name) => readFile(join(out, name)))));
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/** `git patch-id --stable` of a diff, 40 hexadecimal digits; undefined for what git takes for no diff. */
export async function patchId(diff: string, signal: AbortSignal): Promise<string | undefined> {
  const input = Buffer.from(diff, 'latin1');
  const end = await runGit(['patch-id', '--stable'], { signal, input, okCodes: [0, 1, 128] });
  return /^[0-9a-f]{40,64}/.exec(end.stdout)?.[0];
}

import { chmod, copyFile, lstat, readdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { makeFolder, readIfThere } from '../host/disk.ts';
import { runGit } from '../host/git.ts';
import type { Untestable } from '../verdict.ts';
import { type FileChange, parseDiff, refuseChange, touchedPaths } from './diff.ts';
import type { Patch, Series } from './series.ts';

/** The files that the patches touch, as they are after all patches. */
export interface PatchedFiles {
  /** The folder that holds every touched file with its new content. It lacks the files that the patches delete. */
  readonly dir: string;
  /** Paths of the touched files below the tree, sorted. Deleted files and the old names of renamed files are among them. */
  readonly touched: readonly string[];
}

/** An optional series that was left out because it does not apply to this tree. */
export interface LeftOut {
  readonly series: string;
  readonly reason: string;
}

export type ApplyResult =
  | {
      readonly kind: 'applied';
      readonly files: PatchedFiles;
      readonly leftOut: readonly LeftOut[];
    }
  | { readonly kind: 'untestable'; readonly verdict: Untestable };

/**
 * Applies several series in order to copies of the files that their patches touch. The copies are made in the folder `dir`, which
 * is emptied first; `tree` is only read. When a patch does not apply, the result is `untestable`. When the series of this patch is
 * optional (`Series.optional`), the series is left out instead, and the other series are applied anew. When the tree already
 * contains the first patches of a series with `maybeThere`, these patches are skipped.
 *
 * The patches are untrusted: git applies them outside of any repository, and then follows no link, writes nowhere outside of the
 * folder and runs no program. As with `git am`, no fuzz is allowed: a hunk that fits elsewhere by chance proves nothing about
 * the series.
 */
export async function applySeries(
  tree: string,
  series: readonly Series[],
  dir: string,
  signal: AbortSignal,
): Promise<ApplyResult> {
  await rm(dir, { recursive: true, force: true });
  await makeFolder(dir);
  const touched = new Set<string>();
  for (const one of series) {
    const verdict = await applyOne(tree, one, { dir, touched, signal });
    if (verdict === undefined) continue;
    if (one.optional !== true) return { kind: 'untestable', verdict };
    const others = series.filter((other) => other !== one);
    const rest = await applySeries(tree, others, dir, signal);
    if (rest.kind === 'untestable') return rest;
    const leftOut = { series: one.name, reason: verdict.message };
    return { ...rest, leftOut: [leftOut, ...rest.leftOut] };
  }
  for (const path of await listFiles(dir)) touched.add(path);
  return { kind: 'applied', files: { dir, touched: [...touched].toSorted() }, leftOut: [] };
}

interface Ground {
  readonly dir: string;
  /** The paths that patches touched so far. applyOne() adds the paths of each patch that it applies. */
  readonly touched: Set<string>;
  readonly signal: AbortSignal;
}

async function applyOne(
  tree: string,
  series: Series,
  ground: Ground,
): Promise<Untestable | undefined> {
  let there = 0;
  for (const [at, patch] of series.patches.entries()) {
    if (at < there) continue;
    const place = patchPlace(series, patch);
    const changes = parseDiff(patch.diff);
    const refused = await refusal(tree, changes);
    if (refused !== undefined) return cannotApply(place, refused);
    for (const path of touchedPaths(changes)) {
      if (!ground.touched.has(path)) await copyPristine(tree, ground.dir, path);
      ground.touched.add(path);
    }
    const failure = await applyPatch(patch, changes, ground);
    const odd = failure === undefined ? await findOddFile(ground.dir, changes) : undefined;
    if (odd !== undefined) return cannotApply(place, `${odd}: is no regular file`);
    if (failure === undefined) continue;
    there = at === 0 && series.maybeThere === true ? await countThere(tree, series, ground) : 0;
    if (there === 0) return cannotApply(place, failure.message, failure.output);
  }
  return undefined;
}

/**
 * The number of leading patches of a series that the tree already contains: the largest number of leading patches that can be
 * reverted together, last patch first. The patches cannot be checked one by one, because a later patch may change the same
 * lines again.
 */
async function countThere(tree: string, { patches }: Series, ground: Ground): Promise<number> {
  const dir = `${ground.dir}-reversed`;
  try {
    for (let count = patches.length; count > 0; count--) {
      await rm(dir, { recursive: true, force: true });
      if (await canTakeBack(tree, patches.slice(0, count), { dir, ground })) return count;
    }
    return 0;
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

/**
 * True when all `patches` can be reverted, last patch first. The patches are reverted in the folder `dir`, in copies of the files
 * with all patches that were applied so far.
 */
async function canTakeBack(
  tree: string,
  patches: readonly Patch[],
  { dir, ground }: { readonly dir: string; readonly ground: Ground },
): Promise<boolean> {
  await makeFolder(dir);
  const copied = new Set<string>();
  for (const patch of patches.toReversed()) {
    const changes = parseDiff(patch.diff);
    if ((await refusal(tree, changes)) !== undefined) return false;
    for (const path of touchedPaths(changes).filter((one) => !copied.has(one))) {
      copied.add(path);
      await copyPristine(ground.touched.has(path) ? ground.dir : tree, dir, path);
    }
    const end = await gitApply(patch, ['--reverse'], { ...ground, dir });
    if (end.exitCode !== 0) return false;
  }
  return true;
}

/** Names a patch in messages, as `patch 2/3 "mm: foo"`. */
function patchPlace(series: Series, patch: Patch): string {
  return `patch ${patch.index}/${series.patches.length} "${patch.subject}"`;
}

function cannotApply(place: string, reason: string, output?: string): Untestable {
  return {
    kind: 'untestable',
    because: 'apply',
    message: `${place}: ${reason}`,
    ...(output === undefined ? {} : { output }),
  };
}

async function refusal(tree: string, changes: readonly FileChange[]): Promise<string | undefined> {
  for (const change of changes) {
    const reason = refuseChange(change);
    if (reason !== undefined) return reason;
  }
  for (const path of touchedPaths(changes)) {
    const link = await linkInPath(tree, path);
    if (link !== undefined) return `${path}: ${link} is a symbolic link`;
  }
  return undefined;
}

/**
 * Returns the first part of `path` below `tree` that is a symbolic link, because a link may point anywhere on this host. Returns
 * undefined when there is no link.
 */
async function linkInPath(tree: string, path: string): Promise<string | undefined> {
  const parts = path.split('/');
  for (let count = 1; count <= parts.length; count += 1) {
    const part = parts.slice(0, count).join('/');
    const found = await readIfThere(lstat(join(tree, part)));
    if (found === undefined) return undefined;
    if (found.isSymbolicLink()) return part;
  }
  return undefined;
}

/**
 * The first path of the changes that exists in `dir` and is not a regular file. Such a path must not be copied, whatever
 * created it.
 */
async function findOddFile(
  dir: string,
  changes: readonly FileChange[],
): Promise<string | undefined> {
  for (const path of touchedPaths(changes)) {
    const found = await readIfThere(lstat(join(dir, path)));
    if (found !== undefined && !found.isFile()) return path;
  }
  return undefined;
}

async function copyPristine(tree: string, dir: string, path: string): Promise<void> {
  const from = join(tree, path);
  const found = await readIfThere(lstat(from));
  if (found?.isFile() !== true) return;
  const to = join(dir, path);
  await makeFolder(dirname(to));
  await copyFile(from, to);
  await chmod(to, found.mode & 0o777);
}

async function applyPatch(
  patch: Patch,
  changes: readonly FileChange[],
  { dir, signal }: Ground,
): Promise<{ readonly message: string; readonly output: string } | undefined> {
  const end = await gitApply(patch, [], { dir, signal });
  if (end.exitCode === 0) return undefined;
  const why = await hintAt(patch, { dir, signal });
  const hint = why === undefined ? '' : ` (${why})`;
  return { message: explainFailure(end.stderr, changes, patch) + hint, output: end.stderr };
}

/**
 * Returns a hint for the message about a patch that does not apply, or undefined. The harness does not act on the hint: a hunk that
 * nearly fits proves nothing.
 */
async function hintAt(
  patch: Patch,
  ground: Pick<Ground, 'dir' | 'signal'>,
): Promise<string | undefined> {
  const can = async (...flags: readonly string[]): Promise<boolean> =>
    (await gitApply(patch, ['--check', ...flags], ground)).exitCode === 0;
  if (await can('--reverse')) return 'the tree has this patch already';
  if (await can('--unidiff-zero')) {
    return 'its hunks lack the lines around them, as of diff -U0: give the patch with 3 lines of context';
  }
  if (await can('--ignore-whitespace')) {
    return 'applies only without regard to white space: a mail program or an editor changed its tabs, spaces or line ends';
  }
  // patch(1) ignores up to two lines at either end of a hunk.
  return (await can('-C1')) ? 'applies with fuzz only: refresh the patch on this tree' : undefined;
}

async function gitApply(
  { diff }: Patch,
  flags: readonly string[],
  { dir, signal }: Pick<Ground, 'dir' | 'signal'>,
): Promise<{ readonly exitCode: number; readonly stderr: string }> {
  const file = join(dirname(dir), 'applying.patch');
  await writeFile(file, diff, 'latin1');
  const options = {
    signal,
    cwd: dir,
    env: { GIT_CEILING_DIRECTORIES: dirname(dir) },
    okCodes: [0, 1, 128],
  };
  const end = await runGit(['apply', '--whitespace=nowarn', ...flags, file], options);
  await rm(file);
  return end;
}

/**
 * The first failure in the output of `git apply`, as a message. The message names a hunk by its number in the file, from 1:
 * `error: patch failed: mm/foo.c:120` becomes `mm/foo.c: hunk 3 at line 120 does not apply`. For a corrupt patch, the message names
 * the line. Any other failure is told in git's words.
 */
function explainFailure(
  stderr: string,
  changes: readonly FileChange[],
  { file, diffLine }: Pick<Patch, 'file' | 'diffLine'>,
): string {
  const corrupt = /^error: corrupt patch at (?:line |[^\n]*:)(\d+)$/m.exec(stderr)?.[1];
  if (corrupt !== undefined) {
    const isKnown = diffLine !== undefined && file !== '';
    const line = Number(corrupt);
    return `corrupt patch at ${isKnown ? `${file}:${diffLine + line - 1}` : `line ${line} of its diff`}`;
  }
  const failed = /^error: patch failed: (.+):(\d+)$/m.exec(stderr);
  const path = failed?.[1];
  if (path === undefined) {
    return /^(?:error|fatal): (.+)$/m.exec(stderr)?.[1] ?? 'git apply failed';
  }
  const line = Number(failed?.[2]);
  const change = changes.find((one) => one.oldPath === path || one.newPath === path);
  const number = (change?.hunks.findIndex((hunk) => hunk.oldStart === line) ?? -1) + 1;
  const hunk = number > 0 ? `hunk ${number} at line ${line}` : `the hunk at line ${line}`;
  return `${path}: ${hunk} does not apply`;
}

async function listFiles(dir: string): Promise<readonly string[]> {
  const items = await readdir(dir, { recursive: true, withFileTypes: true });
  return items
    .filter((item) => !item.isDirectory())
    .map((item) => relative(dir, join(item.parentPath, item.name)));
}

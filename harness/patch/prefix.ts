import { lstat } from 'node:fs/promises';
import { join } from 'node:path';
import { HarnessError } from '../errors.ts';
import { beginsFile, endOfHunk, parseDiff, readHunk } from './diff.ts';
import type { Patch, Series } from './patch.ts';

/**
 * Rewrites the paths in diffs to `a/PATH` and `b/PATH`, the only form that the rest of the harness reads. `git diff --no-prefix`,
 * svn, CVS and lists with `-p0` have other forms.
 */

/** A line in the head of a diff that names a file. */
interface HeadLine {
  /** Index into the lines of the diff, from 0. */
  readonly at: number;
  readonly kind: 'git' | 'old' | 'new';
  /** The names on the line: two for `diff --git`. */
  readonly names: readonly string[];
}

/**
 * The number of path components before the path in the tree: 1 for `a/mm/mmap.c`. `unknown` when only the tree can show the
 * number.
 */
type Strip = number | 'unknown';

/**
 * Writes `a/` and `b/` before every path of a patch when this is certain without a tree. Returns a patch unchanged when it has
 * these prefixes already, or when only the tree can decide. Pure.
 */
export function withKnownPrefixes(patch: Omit<Patch, 'index'>): Omit<Patch, 'index'> {
  const heads = readHeads(patch.diff);
  const strip = patch.strip ?? stripOf(heads);
  return strip === 'unknown' || (strip === 1 && patch.strip === undefined)
    ? patch
    : rewrite(patch, heads, strip);
}

/**
 * Completes the paths that withKnownPrefixes() left unchanged. The files decide that `tree` has, or that the series `under` or an
 * earlier patch writes. Throws `usage` for a patch whose paths fit the tree both with and without their first folder, and for a
 * patch whose paths fit neither way.
 */
export async function settlePrefixes(
  tree: string,
  under: readonly Series[],
  series: Series,
): Promise<Series> {
  const made = new Set(under.flatMap(({ patches }) => patches.flatMap(createdPaths)));
  const patches: Patch[] = [];
  for (const patch of series.patches) {
    const settled = await settleOne(tree, made, patch);
    for (const path of createdPaths(settled)) made.add(path);
    patches.push(settled);
  }
  return { ...series, patches };
}

async function settleOne(tree: string, made: ReadonlySet<string>, patch: Patch): Promise<Patch> {
  if (patch.strip !== undefined) return patch;
  const heads = readHeads(patch.diff);
  if (stripOf(heads) !== 'unknown') return patch;
  const isThere = async (strip: number): Promise<boolean> => {
    const paths = heads
      .filter(({ kind }) => kind === 'old')
      .flatMap(({ names }) => names.flatMap((name) => stripped(name, strip) ?? []));
    if (paths.length === 0) return false;
    for (const path of paths) {
      const found = await lstat(join(tree, path)).catch(() => undefined);
      if (found === undefined && !made.has(path)) return false;
    }
    return true;
  };
  const [bare, below] = [await isThere(0), await isThere(1)];
  if (below && !bare) return patch;
  if (bare && !below) return rewrite(patch, heads, 0);
  const [name = ''] = heads.flatMap(({ names }) => names.filter((one) => one !== nowhere));
  const [both, and] = bare ? ['both', 'and'] : ['neither', 'nor'];
  const paths = `${both} ${name} ${and} ${stripped(name, 1) ?? ''}`;
  throw new HarnessError(
    'usage',
    `patch ${patch.index} "${patch.subject}": its paths lack a/ and b/, and the tree has ${paths}; make the patch with a/ and b/, as git diff does by default`,
  );
}

function createdPaths({ diff }: Pick<Patch, 'diff'>): readonly string[] {
  return parseDiff(diff).flatMap(({ newPath }) => newPath ?? []);
}

const nowhere = '/dev/null';

/** The lines of a diff that name files. Similar lines within a hunk are left out. */
function readHeads(diff: string): readonly HeadLine[] {
  const lines = diff.split('\n');
  const heads: HeadLine[] = [];
  let isGit = false;
  for (let at = 0; at < lines.length; at += 1) {
    const line = lines[at] ?? '';
    const hunk = readHunk(line);
    if (line.startsWith('diff --git ')) {
      isGit = true;
      heads.push({ at, kind: 'git', names: gitNames(line) });
    } else if (beginsFile(lines, at, isGit)) {
      isGit = false;
      const [old, young] = withoutSuffix(nameOf(line), nameOf(lines[at + 1] ?? ''));
      heads.push({ at, kind: 'old', names: [old] }, { at: at + 1, kind: 'new', names: [young] });
      at += 1;
    } else if (hunk !== undefined && heads.length > 0) at = endOfHunk(lines, at + 1, hunk) - 1;
  }
  return heads;
}

/** The two names without the suffix of a backup: `--- mm/x.c.orig` above `+++ mm/x.c` names the unedited copy of mm/x.c. */
function withoutSuffix(old: string, young: string): readonly [string, string] {
  const isBackup = ['.orig', '.old', '.bak', '~'].some((suffix) => old === `${young}${suffix}`);
  return [isBackup ? young : old, young];
}

/** The file name of a line, up to the time stamp or svn's `(revision 1)`. */
function nameOf(line: string): string {
  return line.slice(4).replace(/\t.*$/s, '').trimEnd();
}

function gitNames(line: string): readonly string[] {
  const text = line.slice('diff --git '.length).trimEnd();
  const half = (text.length - 1) / 2;
  const same = text.slice(0, half);
  if (Number.isInteger(half) && text === `${same} ${same}`) return [same, same];
  const words = text.split(' ');
  return words.length === 2 ? words : [];
}

function stripOf(heads: readonly HeadLine[]): Strip {
  const pairs = heads.flatMap((head, which): (readonly string[])[] => {
    if (head.kind === 'git') return head.names.length === 2 ? [head.names] : [];
    return head.kind === 'old' ? [[...head.names, ...(heads[which + 1]?.names ?? [])]] : [];
  });
  const all = pairs.flat().filter((name) => name !== nowhere);
  if (all.every((name) => /^"?[abciow.]\//.test(name))) return 1;
  // git writes the same name twice only with --no-prefix, and a name without a folder has no prefix to strip.
  const gits = heads.filter(({ kind, names }) => kind === 'git' && names.length === 2);
  if (gits.length > 0 && gits.every(({ names: [one, other] }) => one === other)) return 0;
  if (all.some((name) => !name.includes('/'))) return 0;
  const isTold = pairs.every(
    ([old = '', young = '']) => old !== young && old !== nowhere && young !== nowhere,
  );
  return isTold ? 1 : 'unknown';
}

/** The path `name` without its first `strip` components. Undefined for a path with too few components, and for `/dev/null`. */
function stripped(name: string, strip: number): string | undefined {
  const rest = name.split('/').slice(strip).join('/');
  return name === nowhere || rest === '' ? undefined : rest;
}

function rewrite<T extends Omit<Patch, 'index'>>(
  patch: T,
  heads: readonly HeadLine[],
  strip: number,
): T {
  const lines = patch.diff.split('\n');
  const put = (prefix: string, name: string): string => {
    const rest = stripped(name, strip);
    return rest === undefined ? name : `${prefix}/${rest}`;
  };
  for (const { at, kind, names } of heads) {
    const [one = '', other = ''] = names;
    // A time stamp of 1970 says that the file does not exist on this side.
    const stamp = /\t.*$/s.exec(lines[at] ?? '')?.[0] ?? '';
    if (kind === 'old') lines[at] = `--- ${put('a', one)}${stamp}`;
    else if (kind === 'new') lines[at] = `+++ ${put('b', one)}${stamp}`;
    else if (names.length === 2) lines[at] = `diff --git ${put('a', one)} ${put('b', other)}`;
  }
  const { strip: _told, ...rest } = patch;
  return { ...rest, diff: lines.join('\n') } as T;
}

import { basename, dirname, join } from 'node:path';
import { HarnessError } from '../errors.ts';
import type { Shelf } from './shelf.ts';

/** A line of a quilt(1) `series` file. */
export interface QuiltLine {
  readonly name: string;
  /** The number N of the flag `-pN` on the line. Absent when N is 1, quilt's default, and for `-pab`. */
  readonly strip?: number;
}

/** The largest list of patches that is read, in bytes. Real lists are smaller. */
const largestListBytes = 4 * 1024 * 1024;

/**
 * Reads a quilt(1) `series` file, with lines such as `fix.patch -p1 # comment`. Empty lines and comments are skipped. Throws
 * `usage`, with `file` and the line, for a name that leads out of the folder of the list, a repeated name, a guard (`+` or `-`
 * before a name), and any flag other than -p0 to -p9 and -pab.
 */
export function parseQuiltSeries(text: string, file: string): readonly QuiltLine[] {
  const seen = new Set<string>();
  return text.split('\n').flatMap((line, at): readonly QuiltLine[] => {
    const [name, ...flags] = words(line);
    if (!name) return [];
    const refuse = (what: string): HarnessError =>
      new HarnessError('usage', `${file}:${at + 1}: ${what}`);
    if (/^[+-]/.test(name))
      throw refuse(
        `${name}: splat reads no guards (+ or - in front of a name); give a list without them`,
      );
    if (name.startsWith('/') || name.split('/').includes('..')) {
      throw refuse(`${name}: this path leads out of the folder of the list`);
    }
    if (seen.has(name)) throw refuse(`${name} is listed twice`);
    seen.add(name);
    const unknown = flags.find((flag) => !/^-p(?:\d|ab)$/.test(flag));
    if (unknown !== undefined)
      throw refuse(`${unknown}: splat reads only the flags -p0 to -p9 and -pab`);
    const strip = /^-p(\d)$/.exec(flags.at(-1) ?? '')?.[1];
    return [strip === undefined || strip === '1' ? { name } : { name, strip: Number(strip) }];
  });
}

function words(line: string): readonly string[] {
  return line
    .replace(/(?:^|\s)#.*$/, '')
    .trim()
    .split(/\s+/);
}

/**
 * True for a list of patches: every line that is neither empty nor a comment names a file of `paths`, in the folder of the list or
 * in its subfolder `patches/`. False for a list without names, for binary content, and for more than 4 MiB. `folder` is the folder
 * of the list, an empty string or with a slash at its end.
 */
export function isQuiltList(bytes: Buffer, paths: readonly string[], folder = ''): boolean {
  if (bytes.length === 0 || bytes.length > largestListBytes || bytes.includes(0)) return false;
  const names = bytes
    .toString('utf8')
    .split('\n')
    .flatMap((line) => words(line)[0] ?? [])
    .filter((name) => name !== '');
  const known = new Set(paths);
  const isThere = (name: string): boolean =>
    known.has(`${folder}${name}`) || known.has(`${folder}patches/${name}`);
  const there = names.filter(isThere);
  return there.length > 0 && there.length === names.length;
}

/**
 * Finds the list in a folder or archive of patches. Returns the path of the list below the folder or archive, or undefined when
 * there is no list. `others` are the files that may be the list. All of them are tried, because distributions use other names than
 * `series`, but a file above 4 MiB is read only if its name is `series`. Only the lists nearest to the top count. Throws `usage`
 * with the names of these lists when they differ or name files with different content. Of equal lists, a list with the name
 * `series` is preferred.
 */
export async function findQuiltSeries(
  shelf: Shelf,
  others: readonly string[],
): Promise<string | undefined> {
  const { place, paths, sizeOf, read } = shelf;
  const found: { readonly path: string; readonly order: string }[] = [];
  for (const path of others) {
    const isNamed = basename(path) === 'series';
    if (!isNamed && (await sizeOf(path)) > largestListBytes) continue;
    const bytes = await read(path);
    const folder = dirname(path) === '.' ? '' : `${dirname(path)}/`;
    const text = bytes.toString('latin1');
    const isProper = isNamed && !/^(?:From |diff |--- )/m.test(text);
    if (!isProper && !isQuiltList(bytes, paths, folder)) continue;
    const lines = text.split('\n').map(words);
    found.push({ path, order: JSON.stringify(lines.filter(([name]) => name !== '')) });
  }
  const nearest = Math.min(...found.map(depthOf));
  const near = found.filter((one) => depthOf(one) === nearest);
  const isSame =
    new Set(near.map(({ order }) => order)).size < 2 && (await haveOneContent(shelf, near));
  if (!isSame) {
    const names = near.map(({ path }) => path).join(', ');
    const next = 'give one of them';
    throw new HarnessError(
      'usage',
      `series ${place} has several lists of patches that differ: ${names}; ${next}`,
    );
  }
  return near.find(({ path }) => basename(path) === 'series')?.path ?? near[0]?.path;
}

/** True when equal lists in several folders name files of the same content. Lists in one folder name the same files. */
async function haveOneContent(
  { paths, read }: Shelf,
  lists: readonly { readonly path: string; readonly order: string }[],
): Promise<boolean> {
  const folders = [...new Set(lists.map(({ path }) => dirname(path)))];
  const [first] = lists;
  if (folders.length < 2 || first === undefined) return true;
  const lines = JSON.parse(first.order) as readonly (readonly string[])[];
  for (const [name = ''] of lines) {
    const files = folders.flatMap((folder) => {
      const near = [join(folder, name), join(folder, 'patches', name)];
      return near.find((path) => paths.includes(path)) ?? [];
    });
    const contents = await Promise.all(files.map(async (path) => read(path)));
    if (contents.some((one) => contents[0]?.equals(one) === false)) return false;
  }
  return true;
}

function depthOf({ path }: { readonly path: string }): number {
  return path.split('/').length;
}

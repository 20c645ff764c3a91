import { readdir, readFile, stat } from 'node:fs/promises';
import { join, posix } from 'node:path';
import { HarnessError } from '../errors.ts';
import { readTar } from '../host/unpack.ts';

/**
 * The largest input that is read, in decompressed bytes. For a folder, all its files count together. No posted series is so large,
 * but a decompression bomb is.
 */
export const largestSeriesBytes = 128 * 1024 * 1024;
export const tooLarge = `larger than ${largestSeriesBytes / 1024 / 1024} MiB, and splat reads no larger series`;

/** The files of a folder or archive. Each file is named by its path below the folder or archive. */
export interface Shelf {
  /** The path of the folder or archive, as people see it in messages. */
  readonly place: string;
  /**
   * Paths of regular files and of links to regular files, sorted by name as `ls` in the C locale does. Files on disk are found at
   * most two subfolders deep. Files in .git and .pc are left out.
   */
  readonly paths: readonly string[];
  /** Entries that are not read, with the reason: a link to a folder or to nothing, a folder that is too deep. */
  readonly left: readonly { readonly path: string; readonly why: string }[];
  /** Returns the size of a file in bytes, or 0 when there is no such file. */
  readonly sizeOf: (path: string) => Promise<number>;
  readonly read: (path: string) => Promise<Buffer>;
}

/** The largest number of files in a folder that is read. No real list of patches names more. */
const mostFiles = 50_000;

/**
 * Opens the files of a folder on disk. Throws `usage` when there are more than 50,000 files. `read` throws `usage` for a file
 * that is missing or too large.
 */
export async function diskShelf(dir: string): Promise<Shelf> {
  const paths: string[] = [];
  const left: { path: string; why: string }[] = [];
  const walk = async (below: string, depth: number): Promise<void> => {
    const items = await readdir(join(dir, below), { withFileTypes: true }).catch(() => []);
    for (const item of items) {
      const name = posix.join(below, item.name);
      const link = item.isSymbolicLink()
        ? await stat(join(dir, name)).catch(() => undefined)
        : undefined;
      const isFolder = item.isDirectory() && item.name !== '.git' && item.name !== '.pc';
      if (item.isFile() || link?.isFile() === true) paths.push(name);
      else if (isFolder && depth > 0) await walk(name, depth - 1);
      else if (isFolder) left.push({ path: name, why: 'a folder three levels deep' });
      else if (item.isSymbolicLink()) {
        left.push({
          path: name,
          why: link === undefined ? 'a link to no file' : 'a link to a folder',
        });
      }
      if (paths.length > mostFiles) {
        throw new HarnessError('usage', `series ${dir} holds more than ${mostFiles} files`);
      }
    }
  };
  await walk('', 2);
  return {
    place: dir,
    paths: paths.toSorted(),
    left,
    sizeOf: async (path) => (await stat(join(dir, path)).catch(() => undefined))?.size ?? 0,
    read: async (path) => {
      const found = await stat(join(dir, path)).catch(() => undefined);
      if (found?.isFile() !== true) {
        throw new HarnessError('usage', `patch ${join(dir, path)}: no such file`);
      }
      if (found.size > largestSeriesBytes) {
        throw new HarnessError('usage', `${join(dir, path)} is ${tooLarge}`);
      }
      return readFile(join(dir, path));
    },
  };
}

/** True for the file `._NAME` that tar of macOS puts beside NAME. */
function isOfMac(path: string): boolean {
  return posix.basename(path).startsWith('._');
}

/** Opens the members of a tar archive. `place` is the path of the archive for messages. */
export function tarShelf(bytes: Buffer, place: string): Shelf {
  const { members: all, left: unread } = readTar(bytes, place);
  const files = all.filter(({ path }) => !isOfMac(path));
  const left = [
    ...unread,
    ...all
      .filter(({ path }) => isOfMac(path))
      .map(({ path }) => ({ path, why: 'written by macOS' })),
  ];
  const members = new Map(files.map((one) => [one.path, one.bytes]));
  return {
    place,
    left,
    paths: [...members.keys()].toSorted(),
    sizeOf: async (path) => members.get(path)?.length ?? 0,
    read: async (path) => {
      const member = members.get(path);
      if (member !== undefined) return member;
      throw new HarnessError('usage', `the archive ${place} has no file ${path}`);
    },
  };
}

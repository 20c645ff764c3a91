import { constants, type Stats } from 'node:fs';
import {
  chmod,
  copyFile,
  lstat,
  readdir,
  readFile,
  readlink,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { cacheFolder } from '../host/cache-folders.ts';
import { isCode, makeFolder, readIfThere, writeWhole } from '../host/disk.ts';
import { runGit } from '../host/git.ts';
import { throwIfAborted } from '../host/process.ts';
import { bytesDigest, valueDigest } from '../host/store.ts';
import { ChangedWhileRead } from './unchanging.ts';

/** The source files of a directory. */
export interface WorkingTree {
  /** The paths of the files below the directory, sorted. */
  readonly files: readonly string[];
  /** The SHA-256, in hex, of the paths, kinds and contents of the files. */
  readonly digest: string;
}

/** The number of files that are read at the same time: enough to keep the disk busy, and fewer files than a process may open. */
const parallelFiles = 64;
/**
 * Two writes to a file within this time can leave the same modification time (racy-git.txt). So the digest of a tree is not
 * cached when a file in it was changed this recently.
 */
const racyMs = 2_000;

/**
 * Lists and digests the files of a directory. At the top of a git tree, these are the tracked files with their uncommitted edits;
 * in any other directory, all files except build products. Links are listed, too. Deleted files and submodules are left out.
 * Reading a whole kernel takes seconds, so the digest is cached by the size, times and inode of every file.
 */
export async function describeWorkingTree(
  dir: string,
  options: {
    readonly cacheRoot: string;
    readonly signal: AbortSignal;
    /** Called before all files are read, which takes seconds. Not called when the digest is cached. */
    readonly onRead?: () => void;
    /** True: the files are read even when the digest is cached. Default false. */
    readonly isAgain?: boolean;
  },
): Promise<WorkingTree> {
  const readAtMs = Date.now();
  const listed = (await trackedFiles(dir, options.signal)) ?? (await walkSources(dir));
  const facts = await inParallel(listed.toSorted(), (file) => fileFacts(dir, file));
  const present = facts.filter((fact) => fact !== undefined);
  const files = present.map((fact) => fact.file);
  const memo = join(cacheFolder(options.cacheRoot, 'digests'), valueDigest([dir, present]));
  const remembered = await readIfThere(readFile(memo, 'utf8'));
  if (remembered !== undefined && isDigest(remembered) && options.isAgain !== true) {
    return { files, digest: remembered };
  }
  options.onRead?.();
  const digest = await digestFiles(present, async ({ file, kind }) => {
    throwIfAborted(options.signal);
    const path = join(dir, file);
    // The whole file is read at once: a stream is ten times slower for files this small.
    return { kind, bytes: kind === 'link' ? await readlink(path) : await readFile(path) };
  });
  const newestMs = present.reduce((newest, fact) => Math.max(newest, fact.changedMs), 0);
  // A file may change after the read but within the resolution of its times. So the digest is stored only if every file was old
  // enough when this function began.
  if (readAtMs - newestMs > racyMs) {
    await makeFolder(dirname(memo));
    await writeWhole(memo, digest);
  }
  return { files, digest };
}

/** True for a complete SHA-256 in hex. */
function isDigest(text: string): boolean {
  return /^[0-9a-f]{64}$/.test(text);
}

/** The kind and the content of a file. The content of a link is the link's target. */
interface FileContent {
  readonly kind: FileFacts['kind'];
  readonly bytes: Uint8Array | string;
}

/**
 * Returns the digest of files, from the kind and content that `read` returns for each file. Files that no longer exist are
 * left out.
 */
async function digestFiles<T extends { readonly file: string }>(
  files: readonly T[],
  read: (file: T) => Promise<FileContent>,
): Promise<string> {
  const contents = await inParallel(files, async (one) => {
    const found = await readIfThere(read(one));
    if (found === undefined) return undefined;
    return [one.file, found.kind, bytesDigest(found.bytes)];
  });
  return valueDigest(contents.filter((content) => content !== undefined));
}

/**
 * Copies the files of a described directory to the new or empty folder `tree`; links stay links. The copies share disk blocks
 * with the originals if the file system supports that. Throws ChangedWhileRead when the copied files do not have the digest
 * in `described`.
 */
export async function copyWorkingTree(
  dir: string,
  tree: string,
  described: WorkingTree,
): Promise<void> {
  const { files } = described;
  const folders = new Set(['.', ...files.map((file) => dirname(file))]);
  for (const folder of folders) await makeFolder(join(tree, folder));
  const copy = copierOf();
  const named = files.map((file) => ({ file }));
  const digest = await digestFiles(named, async ({ file }) => {
    const from = join(dir, file);
    const to = join(tree, file);
    const found = await lstat(from);
    if (found.isSymbolicLink()) {
      const target = await readlink(from);
      await symlink(target, to);
      return { kind: 'link', bytes: target };
    }
    const bytes = await copy(from, to);
    const kind = kindOf(found);
    // The build may run as another user, so the mode must not depend on the umask.
    await chmod(to, kind === 'program' ? 0o755 : 0o644);
    return { kind, bytes };
  });
  if (digest !== described.digest) throw new ChangedWhileRead(`${dir} changed while it was copied`);
}

/**
 * Returns a function that copies a file and returns the bytes of the copy. If the file system lets copies share disk blocks
 * (reflinks), the function makes such a copy and reads it. Else the function reads the file and writes these bytes, which takes no
 * longer than a copy that is not read.
 */
function copierOf(): (from: string, to: string) => Promise<Uint8Array> {
  let canShare = true;
  return async (from, to) => {
    if (canShare) {
      try {
        await copyFile(from, to, constants.COPYFILE_FICLONE_FORCE);
        return await readFile(to);
      } catch (error) {
        if (isCode(error, 'ENOENT')) throw error;
        canShare = false;
      }
    }
    const bytes = await readFile(from);
    await writeFile(to, bytes);
    return bytes;
  };
}

interface FileFacts {
  readonly file: string;
  readonly kind: 'file' | 'program' | 'link';
  readonly bytes: number;
  readonly inode: number;
  readonly modifiedMs: number;
  readonly changedMs: number;
}

/** Returns the facts about a file or link, or undefined for a tracked file that was deleted, and for submodules and devices. */
async function fileFacts(dir: string, file: string): Promise<FileFacts | undefined> {
  const found = await readIfThere(lstat(join(dir, file)));
  if (found === undefined || !(found.isFile() || found.isSymbolicLink())) return undefined;
  return {
    file,
    kind: kindOf(found),
    bytes: found.size,
    inode: found.ino,
    modifiedMs: found.mtimeMs,
    changedMs: found.ctimeMs,
  };
}

function kindOf(found: Stats): FileFacts['kind'] {
  if (found.isSymbolicLink()) return 'link';
  return (found.mode & 0o100) === 0 ? 'file' : 'program';
}

/** Returns the files that git tracks, or undefined when the directory is not the top of a git tree. */
async function trackedFiles(
  dir: string,
  signal: AbortSignal,
): Promise<readonly string[] | undefined> {
  if ((await readIfThere(lstat(join(dir, '.git')))) === undefined) return undefined;
  const end = await runGit(['ls-files', '--cached', '-z'], { signal, cwd: dir });
  return [...new Set(end.stdout.split('\0').filter((file) => file !== ''))];
}

/** The paths of files and folders that `make mrproper` removes from a tree that was built in place, and .git. */
const buildProduct =
  /\.(?:o|ko|a|cmd|d|mod|order|symvers|dtb|lex\.c|tab\.[ch])$|(?:^|\/)(?:\.config(?:\.old)?|\.git|vmlinux|System\.map|(?:bz|z|u)?Image(?:\.gz)?|modules\.builtin[^/]*|Module\.symvers)$|\/generated$|^include\/config$/;

async function walkSources(dir: string): Promise<readonly string[]> {
  const found: string[] = [];
  const walk = async (folder: string): Promise<void> => {
    for (const item of await readdir(join(dir, folder), { withFileTypes: true })) {
      const path = folder === '' ? item.name : `${folder}/${item.name}`;
      if (buildProduct.test(path)) continue;
      if (item.isDirectory()) await walk(path);
      else found.push(path);
    }
  };
  await walk('');
  return found;
}

async function inParallel<T, R>(
  items: readonly T[],
  work: (item: T) => Promise<R>,
): Promise<readonly R[]> {
  const results: R[] = [];
  for (let at = 0; at < items.length; at += parallelFiles) {
    results.push(...(await Promise.all(items.slice(at, at + parallelFiles).map(work))));
  }
  return results;
}

import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { chmod, copyFile, lstat, readdir, readFile, readlink, symlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { cacheFolder } from '../host/cache-folders.ts';
import { makeFolder, readIfThere, writeWhole } from '../host/disk.ts';
import { runGit } from '../host/git.ts';
import { throwIfAborted } from '../host/process.ts';
import { valueDigest } from '../host/store.ts';

/** The source files of a directory. */
export interface WorkingTree {
  /** The paths of the files below the directory, sorted. */
  readonly files: readonly string[];
  /** The SHA-256, in hex, of the paths, kinds and contents of the files. */
  readonly digest: string;
}

/** The number of files that are read at the same time: enough to keep the disk busy, and fewer than a process may open. */
const parallelFiles = 64;
/**
 * Two writes to a file within this time can leave the same modification time (racy-git.txt). So the digest of a tree is not
 * cached when a file in it was changed this recently.
 */
const racyMs = 2_000;

/**
 * Lists and digests the files of a directory. At the top of a git tree these are the tracked files with their uncommitted edits;
 * elsewhere all files except build products. Links are listed too; deleted files and submodules are left out. Reading a whole
 * kernel takes seconds, so the digest is cached by the size, times and inode of every file.
 */
export async function describeWorkingTree(
  dir: string,
  options: {
    readonly cacheRoot: string;
    readonly signal: AbortSignal;
    /** Called before all files are read, which takes seconds; not called when the digest is cached. */
    readonly onRead: () => void;
  },
): Promise<WorkingTree> {
  const listed = (await trackedFiles(dir, options.signal)) ?? (await walkSources(dir));
  const facts = await inParallel(listed.toSorted(), (file) => fileFacts(dir, file));
  const present = facts.filter((fact) => fact !== undefined);
  const files = present.map((fact) => fact.file);
  const memo = join(cacheFolder(options.cacheRoot, 'digests'), valueDigest([dir, present]));
  const remembered = await readIfThere(readFile(memo, 'utf8'));
  if (remembered !== undefined && isDigest(remembered)) return { files, digest: remembered };
  options.onRead();
  const contents = await inParallel(present, async ({ file, kind }) => {
    throwIfAborted(options.signal);
    const path = join(dir, file);
    // The whole file is read at once: a stream is ten times slower for files this small.
    const bytes = kind === 'link' ? await readlink(path) : await readFile(path);
    return [file, kind, createHash('sha256').update(bytes).digest('hex')];
  });
  const digest = valueDigest(contents);
  const newestMs = present.reduce((newest, fact) => Math.max(newest, fact.changedMs), 0);
  if (Date.now() - newestMs > racyMs) {
    await makeFolder(dirname(memo));
    await writeWhole(memo, digest);
  }
  return { files, digest };
}

/** True for a complete SHA-256 in hex. */
function isDigest(text: string): boolean {
  return /^[0-9a-f]{64}$/.test(text);
}

/**
 * Copies the listed files to the new or empty folder `tree`; links stay links. The copies share disk blocks with the originals if
 * the file system supports that.
 */
export async function copyWorkingTree(
  dir: string,
  tree: string,
  files: readonly string[],
): Promise<void> {
  const folders = new Set(['.', ...files.map((file) => dirname(file))]);
  for (const folder of folders) await makeFolder(join(tree, folder));
  await inParallel(files, async (file) => {
    const from = join(dir, file);
    const to = join(tree, file);
    const { mode, ...kind } = await lstat(from).then((found) => ({
      mode: found.mode,
      link: found.isSymbolicLink(),
    }));
    if (kind.link) return symlink(await readlink(from), to);
    await copyFile(from, to, constants.COPYFILE_FICLONE);
    // The build may run as another user, so the mode must not depend on the umask.
    return chmod(to, (mode & 0o100) === 0 ? 0o644 : 0o755);
  });
}

interface FileFacts {
  readonly file: string;
  readonly kind: 'file' | 'program' | 'link';
  readonly bytes: number;
  readonly inode: number;
  readonly modifiedMs: number;
  readonly changedMs: number;
}

/** The facts about a file or link; undefined for a tracked file that was deleted, and for submodules and devices. */
async function fileFacts(dir: string, file: string): Promise<FileFacts | undefined> {
  const found = await readIfThere(lstat(join(dir, file)));
  if (found === undefined || !(found.isFile() || found.isSymbolicLink())) return undefined;
  const program = (found.mode & 0o100) !== 0;
  return {
    file,
    kind: found.isSymbolicLink() ? 'link' : program ? 'program' : 'file',
    bytes: found.size,
    inode: found.ino,
    modifiedMs: found.mtimeMs,
    changedMs: found.ctimeMs,
  };
}

/** The files that git tracks; undefined when the directory is not the top of a git tree. */
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

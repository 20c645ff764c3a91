import { randomBytes } from 'node:crypto';
import { chmod, mkdir, rename, rm, stat, statfs, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { HarnessError } from '../errors.ts';

/** Plain words for the errors of a disk. The key is the errno name (errno(3)). */
const diskFaults: Readonly<Record<string, string>> = {
  ENOSPC: 'no space left',
  EDQUOT: 'disk quota exceeded',
  EROFS: 'read-only file system',
  EACCES: 'permission denied',
  EPERM: 'operation not permitted',
  EIO: 'input/output error',
  ENOTDIR: 'a part of its path is no folder',
  EISDIR: 'it is a folder',
  ELOOP: 'too many symbolic links',
  ENAMETOOLONG: 'file name too long',
  EFBIG: 'file too large',
  EBUSY: 'it is in use',
  ETXTBSY: 'it is in use',
  ESTALE: 'stale file handle',
  EMFILE: 'too many open files',
  ENFILE: 'too many open files on this host',
};

/** System calls that touch no file. Their EPERM or EACCES is no error of the disk. */
const notOfDisk = /^(kill|spawn|connect|listen|bind|accept|setPriority)/;
const reading = /^(read|readlink|scandir|opendir|l?stat|realpath)$/;

/**
 * The reason in plain words when mkdir(2) fails with ENOENT although the parent folder exists: the file system cannot
 * create folders.
 */
const noFolders = 'no folder can be made there';

/** Plain words for the errors of a disk that programs report. The key is the text of strerror(3) that the programs print. */
const toldFaults: Readonly<Record<string, string>> = {
  'No space left on device': 'no space left',
  'Disk quota exceeded': 'disk quota exceeded',
  'Read-only file system': 'read-only file system',
};
const toldFault = new RegExp(`: (${Object.keys(toldFaults).join('|')})\\b`);

/**
 * Turns an error of the disk into an `infra` error of one line, and returns every other error unchanged. Errors of the disk are the
 * errors in `diskFaults`, such as ENOSPC, and ENOENT of mkdir(2). The ENOENT of a missing file is not an error of the disk. The
 * message names the error's path, or `where` when the error has no path, as with write(2).
 */
export function explainDiskError(error: unknown, where: string): unknown {
  if (!(error instanceof Error) || error instanceof HarnessError) return error;
  const { code, syscall = '', path, dest } = error as NodeJS.ErrnoException & { dest?: string };
  const reason = code === 'ENOENT' && syscall === 'mkdir' ? noFolders : diskFaults[code ?? ''];
  if (reason === undefined || notOfDisk.test(syscall)) return error;
  // mkdtemp(3) reports its template; copies and renames report the source first.
  const named = syscall === 'mkdtemp' && path !== undefined ? dirname(path) : (dest ?? path);
  const what = reading.test(syscall) ? 'read' : 'write to';
  return new HarnessError('infra', `cannot ${what} ${named ?? where}: ${reason}`, {
    cause: error,
  });
}

/**
 * Returns the reason why a user's file cannot be read, in plain words such as `no such file`. For an unknown error, returns the
 * error's message.
 */
export function readFaultIn(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  if (code === 'ENOENT') return 'no such file';
  return diskFaults[code] ?? (error instanceof Error ? error.message : String(error));
}

/**
 * Returns the fault of the disk that a program's output names: `no space left`, `disk quota exceeded` or `read-only file system`.
 * Returns undefined when the output names no such fault. The fault is not certain: the program may be wrong or lie.
 */
export function diskFaultIn(output: string): string | undefined {
  return toldFaults[toldFault.exec(output)?.[1] ?? ''];
}

/**
 * Creates a folder and its missing parents; a folder that exists is no error. Node 20's recursive mkdir is not used: that mkdir
 * reports ENOENT for a full disk and for every unexpected error, and never ends on a file system that cannot create folders, such
 * as /proc.
 */
export async function makeFolder(path: string): Promise<void> {
  try {
    await makeOne(path);
  } catch (error) {
    if (!isCode(error, 'ENOENT') || dirname(path) === path) throw error;
    await makeFolder(dirname(path));
    await makeOne(path);
  }
}

async function makeOne(path: string): Promise<void> {
  try {
    await mkdir(path);
  } catch (error) {
    // mkdir(2) reports EEXIST for a dangling link, too, although no folder is there.
    const found = isCode(error, 'EEXIST') ? await readIfThere(stat(path)) : undefined;
    if (found?.isDirectory() !== true) throw error;
  }
}

/** True for a system error with this code, such as `ENOENT`. */
export function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}

/**
 * The codes of errors that say that a path does not exist, or cannot exist because a parent is no folder or because the name is too
 * long or contains a NUL.
 */
const absentCodes = ['ENOENT', 'ENOTDIR', 'ENAMETOOLONG', 'ERR_INVALID_ARG_VALUE'];

/**
 * Resolves to the result of a lookup of a path, or to undefined when the path does not exist. Every other error is thrown: a file
 * that cannot be read (EACCES, EIO) is not absent.
 */
export async function readIfThere<T>(lookup: Promise<T>): Promise<T | undefined> {
  try {
    return await lookup;
  } catch (error) {
    if (absentCodes.some((code) => isCode(error, code))) return undefined;
    throw error;
  }
}

/**
 * Replaces the whole content of a file. Even when this process dies, the path has its old content (or no file) or the complete new
 * content. When several callers write the same file at the same time, the last caller wins. `mode` has the permission bits; when it
 * is absent, the file gets those of any new file. Throws errors of the disk as explainDiskError() words them.
 */
export async function writeWhole(path: string, content: string, mode?: number): Promise<void> {
  // Each call has its own draft (the file with the new content), because other processes may write the same file of the cache.
  const draft = `${path}.${randomBytes(4).toString('hex')}.part`;
  try {
    // The folder may belong to another user, who may put a link at the draft's path. `wx` refuses to follow that link.
    await writeFile(draft, content, { flag: 'wx' });
    if (mode !== undefined) await chmod(draft, mode);
    await rename(draft, path);
  } catch (error) {
    await rm(draft, { force: true });
    throw explainDiskError(error, path);
  }
}

/**
 * Returns the path itself if it exists, else the nearest existing folder above it. A cache may not have been created yet,
 * for example.
 */
export async function nearestFolder(path: string): Promise<string> {
  const found = await readIfThere(stat(path));
  return found !== undefined || dirname(path) === path ? path : nearestFolder(dirname(path));
}

/**
 * Returns the free space on the file system of a path, in whole MiB. Space that is reserved for root does not count. The path need
 * not exist.
 */
export async function freeDiskMib(path: string): Promise<number> {
  const { bavail, bsize } = await statfs(await nearestFolder(path));
  return Math.floor((bavail * bsize) / 2 ** 20);
}

import { mkdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { HarnessError } from '../errors.ts';

/** What the errno names mean to a person (errno(3)). */
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

/** Calls that touch no file: their EPERM is of another kind. */
const notOfDisk = /^(kill|spawn|connect|listen|bind|accept|setPriority)/;
const reading = /^(read|readlink|scandir|opendir|l?stat|realpath)$/;

/** What mkdir(2) says of a file system that makes none, when all above is there. */
const noFolders = 'no folder can be made there';

/** The same as strerror(3) words them in the complaints of programs. */
const toldFaults: Readonly<Record<string, string>> = {
  'No space left on device': 'no space left',
  'Disk quota exceeded': 'disk quota exceeded',
  'Read-only file system': 'read-only file system',
};
const toldFault = new RegExp(`: (${Object.keys(toldFaults).join('|')})\\b`);

/**
 * A full or read-only disk as one clear line; everything else as it is. The error's own path says where, else `where`: a
 * write(2) does not know the name of its file.
 */
export function explainDiskError(error: unknown, where: string): unknown {
  if (!(error instanceof Error) || error instanceof HarnessError) return error;
  const { code, syscall = '', path, dest } = error as NodeJS.ErrnoException & { dest?: string };
  const reason = code === 'ENOENT' && syscall === 'mkdir' ? noFolders : diskFaults[code ?? ''];
  if (reason === undefined || notOfDisk.test(syscall)) return error;
  // mkdtemp(3) names its template; copies and renames name what they read first.
  const named = syscall === 'mkdtemp' && path !== undefined ? dirname(path) : (dest ?? path);
  const what = reading.test(syscall) ? 'read' : 'write to';
  return new HarnessError('infra', `cannot ${what} ${named ?? where}: ${reason}`, {
    cause: error,
  });
}

/** Why a file of the user's cannot be read: `no such file`. */
export function readFaultIn(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  if (code === 'ENOENT') return 'no such file';
  return diskFaults[code] ?? (error instanceof Error ? error.message : String(error));
}

/** `no space left` when a program's complaint says so, else undefined. A claim of the program's. */
export function diskFaultIn(output: string): string | undefined {
  return toldFaults[toldFault.exec(output)?.[1] ?? ''];
}

/**
 * The folder with all above it. Node 20's own says ENOENT of a disk that is full and of every other error it does not
 * expect, and never ends where a file system makes no folders, as in /proc.
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
    // A link to nowhere is there already, and no folder.
    const found = isCode(error, 'EEXIST') ? await readIfThere(stat(path)) : undefined;
    if (found?.isDirectory() !== true) throw error;
  }
}

/** Whether an error is that of the system with this code, as `ENOENT`. */
export function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}

/** Nothing is there, or nothing can be there: a part of the path is no folder, the name is too long or has a NUL in it. */
const absentCodes = ['ENOENT', 'ENOTDIR', 'ENAMETOOLONG', 'ERR_INVALID_ARG_VALUE'];

/**
 * What is being read or looked at, or undefined when it is not there. Every other error is thrown: what cannot be read
 * (EACCES, EIO) is not taken for what is absent.
 */
export async function readIfThere<T>(lookup: Promise<T>): Promise<T | undefined> {
  try {
    return await lookup;
  } catch (error) {
    if (absentCodes.some((code) => isCode(error, code))) return undefined;
    throw error;
  }
}

/** Writes a file that is there whole or not at all, also for who dies in the middle. */
export async function writeWhole(path: string, text: string): Promise<void> {
  const draft = `${path}.part`;
  try {
    // The folder may have come from somebody else: what is in the draft's place, as a link, is not written through.
    await rm(draft, { force: true });
    await writeFile(draft, text, { flag: 'wx' });
    await rename(draft, path);
  } catch (error) {
    await rm(draft, { force: true });
    throw explainDiskError(error, path);
  }
}

import { constants } from 'node:fs';
import { type FileHandle, open, realpath } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/**
 * Opens a regular file of a run directory for reading. Returns undefined when there is no such file. The directory is untrusted: a
 * link that leads out of the directory is not followed, and opening a pipe does not wait.
 */
export async function openInside(dir: string, path: string): Promise<FileHandle | undefined> {
  if (!(await isInside(dir, dirname(path)))) return undefined;
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  const file = await open(join(dir, path), flags).catch(() => undefined);
  if (file === undefined || (await file.stat()).isFile()) return file;
  await file.close();
  return undefined;
}

/** True when no part of the folder's path below `dir` is a link. */
export async function isInside(dir: string, folder: string): Promise<boolean> {
  try {
    return (await realpath(join(dir, folder))) === join(await realpath(dir), folder);
  } catch {
    return false;
  }
}

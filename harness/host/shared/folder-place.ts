import { randomUUID } from 'node:crypto';
import { constants, createReadStream } from 'node:fs';
import { type FileHandle, open, readdir, rename, rm, stat, utimes } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { startDeadline } from '../deadline.ts';
import { explainDiskError, makeFolder, readIfThere } from '../disk.ts';
import { acquireLock } from '../lock.ts';
import { throwIfAborted } from '../process.ts';
import { largestManifestBytes } from './manifest.ts';
import { blobPath, manifestPath, manifestsPath, type StorePlace } from './place.ts';
import { receiveBlob } from './receive.ts';
import { StoreFault } from './store-fault.ts';

/**
 * Returns the path of the lock file (flock(2)) of a shared store in the folder `dir`. Hosts that use the store take a shared lock;
 * `splat store prune` takes an exclusive lock.
 */
export function inUseLock(dir: string): string {
  return join(dir, 'locks', 'in-use');
}

/** Returns the folder for files that are still being written. `dir` is the folder of the store. */
export function draftsFolder(dir: string): string {
  return join(dir, 'drafts');
}

/** The longest wait for `splat store prune` to release the lock of the store. */
const lockWaitMs = 10_000;

/**
 * Returns the shared store in the folder `dir`, which may be on NFS for several hosts. Other users may write to the folder, so a
 * symbolic link in the place of a file is never followed.
 */
export function folderPlace(dir: string): StorePlace {
  const at = (path: string): string => join(dir, path);
  return {
    name: dir,
    readManifest: async (entry, signer) =>
      explained(dir, async () => readSmall(at(manifestPath(entry, signer)))),
    signers: async (entry) =>
      explained(dir, async () => {
        const names = (await readIfThere(readdir(at(manifestsPath(entry))))) ?? [];
        return names.filter((name) => /^[0-9a-f]{16}$/.test(name));
      }),
    writeManifest: async (entry, signer, text) =>
      explained(dir, async () => writeText(dir, at(manifestPath(entry, signer)), text)),
    readBlob: async ({ sha256 }) =>
      explained(dir, async () => {
        const file = await openPlain(at(blobPath(sha256)));
        return file?.createReadStream({ highWaterMark: 1 << 20 });
      }),
    writeBlob: async (blob, file, { signal, replace }) =>
      explained(dir, async () => {
        const path = at(blobPath(blob.sha256));
        if (!replace && (await touchBlob(path, blob.bytes))) return;
        const stream = createReadStream(file, { highWaterMark: 1 << 20 });
        await inDraft(dir, path, async (draft) => receiveBlob(stream, draft, blob, { signal }));
      }),
    hold: async ({ signal }) => explained(dir, async () => holdFolder(dir, signal)),
    [Symbol.asyncDispose]: async () => undefined,
  };
}

/** Runs `work` and throws every disk error as a StoreFault `unreachable`, with its reason in plain words. */
async function explained<T>(dir: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const told = explainDiskError(error, dir);
    if (told === error || !(told instanceof Error)) throw error;
    throw new StoreFault('unreachable', told.message, { cause: error });
  }
}

/**
 * Takes the lock of the store. When this user may not take the lock, the result locks nothing: the store stays readable, but `splat
 * store prune` may remove files meanwhile. Throws a StoreFault `unreachable` when the folder does not exist, and when `splat store
 * prune` keeps the lock for 10 s.
 */
async function holdFolder(dir: string, signal: AbortSignal): Promise<AsyncDisposable> {
  if ((await readIfThere(stat(dir)))?.isDirectory() !== true) {
    throw new StoreFault('unreachable', 'there is no such folder');
  }
  const stop = new AbortController();
  using _deadline = startDeadline(signal, lockWaitMs, () => stop.abort());
  try {
    return await acquireLock(inUseLock(dir), { signal: stop.signal, shared: true });
  } catch (error) {
    throwIfAborted(signal);
    if (stop.signal.aborted) {
      throw new StoreFault('unreachable', 'splat store prune keeps it locked', { cause: error });
    }
    return { [Symbol.asyncDispose]: async () => undefined };
  }
}

/**
 * Opens a plain file without following a link and without waiting for a FIFO. Returns undefined when the file is absent. Throws a
 * StoreFault `refused` when the path is not a plain file.
 */
async function openPlain(path: string): Promise<FileHandle | undefined> {
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  const file = await readIfThere(open(path, flags));
  if (file === undefined) return undefined;
  if ((await file.stat()).isFile()) return file;
  await file.close();
  throw new StoreFault('refused', `${path}: not a plain file`);
}

/** Marks a file as used now, for `splat store prune`. When this host cannot write to the store, the file keeps its times. */
async function touch(path: string): Promise<void> {
  const now = new Date();
  await utimes(path, now, now).catch(() => undefined);
}

async function readSmall(path: string): Promise<string | undefined> {
  await using file = await openPlain(path);
  if (file === undefined) return undefined;
  const { bytesRead, buffer } = await file.read(Buffer.alloc(largestManifestBytes + 1));
  if (bytesRead > largestManifestBytes) {
    throw new StoreFault('refused', `${path}: larger than a manifest may be`);
  }
  await touch(path);
  return buffer.toString('utf8', 0, bytesRead);
}

/**
 * Resolves to true, and marks the blob as used now, when the store has a file of this size for the blob. Otherwise resolves to
 * false, so that the caller replaces a truncated file.
 */
async function touchBlob(path: string, bytes: number): Promise<boolean> {
  const found = await readIfThere(stat(path));
  if (found?.isFile() !== true || found.size !== bytes) return false;
  await touch(path);
  return true;
}

/** Renames a fully written draft to its blob's path, and makes the blob's folder if needed. */
export async function adoptBlob(draft: string, path: string): Promise<void> {
  await makeFolder(dirname(path));
  await rename(draft, path);
}

async function writeText(dir: string, path: string, text: string): Promise<void> {
  await inDraft(dir, path, async (draft) => {
    await using file = await open(draft, 'wx');
    await file.writeFile(text);
  });
}

/**
 * Lets `write` write a draft and then renames the draft to `path`. So `path` is always complete or absent, even when another host
 * writes the same file at the same time.
 */
async function inDraft(
  dir: string,
  path: string,
  write: (draft: string) => Promise<void>,
): Promise<void> {
  await makeFolder(draftsFolder(dir));
  await makeFolder(dirname(path));
  const draft = join(draftsFolder(dir), randomUUID());
  try {
    await write(draft);
    await rename(draft, path);
  } catch (error) {
    await rm(draft, { force: true });
    throw error;
  }
}

import { createHash } from 'node:crypto';
import { open, readdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { HarnessError } from '../errors.ts';
import { cacheFolder } from './cache-folders.ts';
import { explainDiskError, makeFolder, readIfThere } from './disk.ts';
import { userFolder } from './home-folder.ts';
import { acquireLock } from './lock.ts';

/**
 * The kinds of entries in the store. Each kind is a folder of the cache. In that folder, each entry has a folder that is named
 * after the entry's key.
 */
export type EntryKind = 'source' | 'kernel' | 'guest' | 'checkpoint' | 'tool';

/**
 * A complete entry of the store. Each time the store returns an entry, the files of the entry were checked: by size, and files of
 * at most 160 MiB also by digest.
 */
export interface Entry {
  readonly kind: EntryKind;
  readonly key: string;
  readonly dir: string;
  /** The value that `make` returned. The store does not check its shape. */
  readonly meta: unknown;
}

export interface EntryRequest {
  readonly kind: EntryKind;
  /** The name of the entry's folder: hex digits, or words joined by `-`, `.` and `_`. */
  readonly key: string;
  readonly signal: AbortSignal;
  /** Called once when another process is making the entry and the wait begins. */
  readonly onWait?: () => void;
  /**
   * Called when the stored entry cannot be used, because its files have changed or its manifest cannot be read. The message is one
   * line. The entry is then made again.
   */
  readonly onCorrupt?: (message: string) => void;
  /** Fills the empty folder `dir` and returns the entry's meta. When it throws, nothing is left behind. */
  readonly make: (dir: string) => Promise<unknown>;
  /** False for an entry with many thousand files: these files get no digests and are never checked. Default true. */
  readonly digests?: boolean;
}

interface Manifest {
  readonly schema: 'splat-entry/1';
  readonly meta: unknown;
  readonly files: Readonly<Record<string, { readonly bytes: number; readonly sha256: string }>>;
}

const manifestName = 'entry.json';
/**
 * Files up to this size are checked by digest. Larger files are checked only by size, because reading a vmlinux of half a gigabyte
 * takes too long.
 */
const hashedFileBytes = 160 * 1024 * 1024;
/** The number of bytes that are read at once when a file is hashed. So many bytes fit into a core's cache. */
const readBytes = 256 * 1024;

/** Returns the folder of the cache: $SPLAT_CACHE, else $XDG_CACHE_HOME/splat, else ~/.cache/splat. */
export function cacheRoot(env: NodeJS.ProcessEnv = process.env): string {
  if (env['SPLAT_CACHE']) return resolve(env['SPLAT_CACHE']);
  return userFolder(env, 'XDG_CACHE_HOME', '.cache');
}

/**
 * Returns the entry from the store if its stored bytes are intact, else makes the entry. When several callers want the entry at
 * once, the entry is made only once. Errors of `make` are thrown; an error of the disk becomes `infra`.
 */
export async function ensureEntry(root: string, request: EntryRequest): Promise<Entry> {
  const found = await findEntry(root, request.kind, request.key);
  if (found.entry !== undefined) return found.entry;
  await using _lock = await acquireLock(
    join(cacheFolder(root, 'locks'), `${request.kind}-${request.key}`),
    request,
  );
  // Another process may have made the entry during the wait.
  const again = await findEntry(root, request.kind, request.key);
  if (again.entry !== undefined) return again.entry;
  if (again.corrupt !== undefined) {
    request.onCorrupt?.(again.corrupt);
    await removeEntry(root, request.kind, request.key);
  }
  // The entry is awaited here, because the lock is released when this function returns.
  return await makeEntry(root, request);
}

async function makeEntry(root: string, request: EntryRequest): Promise<Entry> {
  const finalDir = entryDir(root, request.kind, request.key);
  // The draft (the unfinished entry) is named after the key. When a process is killed here, the next process that holds the lock of
  // the key removes the draft.
  const draftDir = join(cacheFolder(root, 'drafts'), `${request.kind}-${request.key}`);
  await removeTree(draftDir);
  try {
    await makeFolder(draftDir);
    const meta = await request.make(draftDir);
    const files = request.digests === false ? {} : await describeFiles(draftDir);
    const manifest: Manifest = { schema: 'splat-entry/1', meta, files };
    await writeFile(join(draftDir, manifestName), `${JSON.stringify(manifest, null, 1)}\n`);
    await makeFolder(join(root, request.kind));
    await rename(draftDir, finalDir);
    return { kind: request.kind, key: request.key, dir: finalDir, meta };
  } catch (error) {
    await removeTree(draftDir);
    throw explainDiskError(error, root);
  }
}

/**
 * Looks for an entry without making it. Returns the entry as `entry`, and stores the time as its last use. Returns as `corrupt` the
 * reason why a stored entry cannot be used. Both are absent when the store has no such entry.
 */
export async function findEntry(
  root: string,
  kind: EntryKind,
  key: string,
): Promise<{ entry?: Entry; corrupt?: string }> {
  const dir = entryDir(root, kind, key);
  let manifest: Manifest;
  try {
    manifest = requireManifest(JSON.parse(await readFile(join(dir, manifestName), 'utf8')));
  } catch (error) {
    const missing = error instanceof Error && 'code' in error && error.code === 'ENOENT';
    if (missing && (await readIfThere(stat(dir))) === undefined) return {};
    return { corrupt: `cache entry ${dir} has no readable ${manifestName}` };
  }
  for (const [name, expected] of Object.entries(manifest.files)) {
    const problem = await checkFile(join(dir, name), expected.bytes, expected.sha256);
    if (problem !== undefined) return { corrupt: `cache entry ${dir}: ${name} ${problem}` };
  }
  const now = new Date();
  // The time of the last use is stored for `splat cache prune`.
  await utimes(join(dir, manifestName), now, now).catch(() => undefined);
  return { entry: { kind, key, dir, meta: manifest.meta } };
}

/** Returns the value, which was parsed from a manifest's JSON. Throws when the value is no manifest. */
function requireManifest(value: unknown): Manifest {
  const { files } = value as Manifest;
  for (const file of Object.values(files)) {
    if (typeof file.bytes !== 'number') throw new TypeError('a file without a size');
  }
  return value as Manifest;
}

async function checkFile(path: string, bytes: number, sha256: string): Promise<string | undefined> {
  const found = await readIfThere(stat(path));
  if (found === undefined) return 'is missing';
  if (found.size !== bytes) return `is ${found.size} bytes, not ${bytes}`;
  if (bytes <= hashedFileBytes && (await fileDigest(path)) !== sha256) return 'has other content';
  return undefined;
}

/** Removes an entry. Its folder is renamed first, so that an incomplete entry is never visible. */
async function removeEntry(root: string, kind: EntryKind, key: string): Promise<void> {
  const grave = join(cacheFolder(root, 'drafts'), `${kind}-${key}.removed`);
  await removeTree(grave);
  await makeFolder(cacheFolder(root, 'drafts'));
  await rename(entryDir(root, kind, key), grave);
  await removeTree(grave);
}

/** Returns the path of an entry's folder. The folder need not exist. Throws `internal` for a key that is not a plain file name. */
export function entryDir(root: string, kind: EntryKind, key: string): string {
  if (!/^[a-z0-9][a-z0-9._-]*$/i.test(key)) {
    throw new HarnessError('internal', `not a key of a cache entry: ${JSON.stringify(key)}`);
  }
  return join(root, kind, key);
}

async function describeFiles(dir: string): Promise<Manifest['files']> {
  const files: Record<string, { bytes: number; sha256: string }> = {};
  for (const item of await readdir(dir, { recursive: true, withFileTypes: true })) {
    if (!item.isFile()) continue;
    const path = join(item.parentPath, item.name);
    const { size } = await stat(path);
    files[path.slice(dir.length + 1)] = {
      bytes: size,
      sha256: size <= hashedFileBytes ? await fileDigest(path) : '',
    };
  }
  return files;
}

/**
 * Returns the SHA-256 of a file's content, in hex. The function reads into one of two buffers while it hashes the other. This
 * matters because a run whose kernel is in the cache hashes 100 MB before its first guest, and a stream takes 1.5 times as long.
 */
export async function fileDigest(path: string): Promise<string> {
  const hash = createHash('sha256');
  const file = await open(path);
  try {
    let [filling, hashing] = [Buffer.allocUnsafe(readBytes), Buffer.allocUnsafe(readBytes)];
    let { bytesRead } = await file.read(filling, 0, readBytes);
    while (bytesRead > 0) {
      [filling, hashing] = [hashing, filling];
      const next = file.read(filling, 0, readBytes);
      hash.update(hashing.subarray(0, bytesRead));
      ({ bytesRead } = await next);
    }
  } finally {
    await file.close();
  }
  return hash.digest('hex');
}

/** Returns the SHA-256 of bytes, in hex. */
export function bytesDigest(bytes: Uint8Array | string): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** Returns the SHA-256 of a value as JSON, in hex. The order of object keys does not matter, and `undefined` counts as null. */
export function valueDigest(value: unknown): string {
  return createHash('sha256').update(stableJson(value)).digest('hex');
}

function stableJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(stableJson).join(',')}]`;
  if (value !== null && typeof value === 'object') {
    const pairs = Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1));
    return `{${pairs.map(([name, item]) => `${JSON.stringify(name)}:${stableJson(item)}`).join(',')}}`;
  }
  return JSON.stringify(value) ?? 'null';
}

/** Removes a file, or a folder with everything in it. A path that does not exist is no error. */
export async function removeTree(path: string): Promise<void> {
  await rm(path, { recursive: true, force: true, maxRetries: 3 });
}

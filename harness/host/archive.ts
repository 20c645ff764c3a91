import { createReadStream } from 'node:fs';
import { open, readdir, readlink, realpath, rm } from 'node:fs/promises';
import { dirname, join, relative, sep } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { execa } from 'execa';
import { extract, type ReadEntry } from 'tar';
import { HarnessError } from '../errors.ts';
import { makeFolder } from './disk.ts';
import { cleanEnv, throwIfAborted } from './process.ts';
import { compressions, gzipMagic } from './unpack.ts';

/**
 * A tarball with more members (files, folders and links) than this is refused, and so is a tarball with more bytes than
 * `byteLimit`. Both limits are above the size of any kernel tree (6.12: 87,000 files, 1.5 GB).
 */
const entryLimit = 400_000;
const byteLimit = 6 * 1024 ** 3;

/**
 * Unpacks the user's tarball into the new or empty folder `dir`, without the tarball's top folder. The first bytes tell whether the
 * tarball is plain or compressed by gzip, xz, zstd or bzip2. Only files, folders, and links that stay inside `dir` are unpacked;
 * other members are skipped. Nothing is written outside of `dir`, and no file gets an owner or a set-id bit. Throws `usage` when
 * the file is not a whole tarball, is an empty tarball, or exceeds the limits, as a decompression bomb does. Throws `tool` when the
 * program that decompresses the tarball is not installed. These errors call the tarball `name`; default: its path.
 */
export async function extractTarball(
  file: string,
  dir: string,
  signal: AbortSignal,
  name = file,
): Promise<void> {
  await makeFolder(dir);
  let hasLinks = false;
  let entries = 0;
  let bytes = 0;
  const take = (path: string, entry: ReadEntry): boolean => {
    entries += 1;
    bytes += entry.size;
    if (entries > entryLimit || bytes > byteLimit) {
      throw new HarnessError(
        'usage',
        `${name} holds more than ${entryLimit} entries or ${byteLimit / 1024 ** 3} GiB, more than any kernel source`,
      );
    }
    entry.mode = (entry.mode ?? 0o644) & 0o755;
    if (plainTypes.includes(entry.type)) return true;
    hasLinks ||= staysInside(path, entry);
    return staysInside(path, entry);
  };
  const unpack = extract({
    cwd: dir,
    strip: 1,
    strict: true,
    preserveOwner: false,
    noMtime: true,
    // With `strict`, an error thrown here ends the stream. tar itself refuses `..`, absolute names and writing through links.
    filter: (path, entry) => take(path, entry as ReadEntry),
  });
  const { bytes: plain, fault } = await decompressed(file, name, signal);
  try {
    await pipeline(plain, unpack, { signal });
  } catch (error) {
    throwIfAborted(signal);
    if (error instanceof HarnessError || isDiskError(error)) throw error;
    throw (await fault) ?? notATarball(name, error);
  }
  // The program that decompresses may fail after it has written its last byte.
  const failed = await fault;
  if (failed !== undefined) throw failed;
  if (entries === 0) throw new HarnessError('usage', `${name} is not a tarball, or is empty`);
  if (hasLinks) await removeEscapes(dir, await realpath(dir));
}

/**
 * Removes the symbolic links below `dir` that lead out of `top`. The text of a link does not always show that the link leads
 * out: when `a/b` is a link to `..`, then `a/b/../x` leaves the folder. A dangling link stays when no other link can change
 * where it leads.
 */
async function removeEscapes(dir: string, top: string): Promise<void> {
  for (const entry of await readdir(dir, { withFileTypes: true })) {
    const path = join(dir, entry.name);
    if (entry.isDirectory()) await removeEscapes(path, top);
    if (!entry.isSymbolicLink()) continue;
    const found = await realpath(path).catch(() => undefined);
    const stays =
      found === undefined
        ? await isPlainBelow(path, top)
        : found === top || found.startsWith(`${top}${sep}`);
    if (!stays) await rm(path);
  }
}

/**
 * True when a symbolic link stays below `top` and has every `..` at the beginning of its target. No other link can then change
 * where it leads.
 */
async function isPlainBelow(link: string, top: string): Promise<boolean> {
  const target = await readlink(link);
  const folder = await realpath(dirname(link));
  const climbsLater = /(?:^|\/)(?!\.\.?\/)[^/]+\/+(?:.*\/)?\.\.(?:\/|$)/.test(target);
  return !climbsLater && !relative(top, join(folder, target)).startsWith('..');
}

function notATarball(name: string, cause?: unknown): HarnessError {
  return new HarnessError('usage', `${name} is not a tarball that can be unpacked`, { cause });
}

function isDiskError(error: unknown): boolean {
  return error instanceof Error && 'syscall' in error;
}

const plainTypes: readonly string[] = ['File', 'OldFile', 'ContiguousFile', 'Directory'];

function staysInside(path: string, entry: ReadEntry): boolean {
  if (entry.type !== 'SymbolicLink' && entry.type !== 'Link') return false;
  // A hard link names another member; a symbolic link is relative to its own folder.
  const from = entry.type === 'Link' ? '' : dirname(path);
  const target = entry.linkpath ?? '/';
  return !target.startsWith('/') && !relative(topOf(path), join(from, target)).startsWith('..');
}

/** Returns the first folder in a member's path. In a release tarball, this folder has all members: `linux-6.1.192`. */
function topOf(path: string): string {
  return path.split('/').find((part) => part !== '' && part !== '.') ?? '';
}

/** A file's decompressed bytes. */
interface Decompressed {
  readonly bytes: Readable;
  /**
   * Resolves when the program that decompresses has ended: to an error when the program failed or is missing, else to undefined.
   */
  readonly fault: Promise<HarnessError | undefined>;
}

async function decompressed(
  file: string,
  name: string,
  signal: AbortSignal,
): Promise<Decompressed> {
  const fault = Promise.resolve(undefined);
  const magic = await firstBytes(file, 6);
  if (magic.startsWith(gzipMagic)) {
    const source = createReadStream(file);
    const gunzip = createGunzip();
    source.on('error', (error) => gunzip.destroy(error));
    return { bytes: source.pipe(gunzip), fault };
  }
  const found = compressions.find((compression) => magic.startsWith(compression.magic));
  if (found === undefined) return { bytes: createReadStream(file), fault };
  const child = execa(found.program, ['--decompress', '--stdout', '--', file], {
    buffer: false,
    reject: false,
    cleanup: true,
    cancelSignal: signal,
    extendEnv: false,
    env: cleanEnv(),
    stdin: 'ignore',
    stderr: 'ignore',
  });
  const ended = child.then((end) => {
    if (!end.failed) return undefined;
    if (end.code !== 'ENOENT') return notATarball(name);
    return new HarnessError('tool', `${name} needs ${found.program}, which is not installed`);
  });
  return { bytes: child.stdout, fault: ended };
}

async function firstBytes(file: string, count: number): Promise<string> {
  await using handle = await open(file, 'r');
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(count), 0, count, 0);
  return buffer.toString('hex', 0, bytesRead);
}

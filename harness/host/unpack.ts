import { posix } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { execa } from 'execa';
import { Parser, type ReadEntry } from 'tar';
import { HarnessError } from '../errors.ts';
import { cleanEnv, throwIfAborted } from './process.ts';

/** The first bytes of compressed files in hex, with the program that decompresses each kind. */
export const compressions = [
  { magic: 'fd377a585a00', program: 'xz' },
  { magic: '28b52ffd', program: 'zstd' },
  { magic: '425a68', program: 'bzip2' },
] as const;
/** The first bytes of a gzip file in hex. zlib decompresses gzip files, so no program is needed. */
export const gzipMagic = '1f8b';

/** The limits and the name of a file to decompress. */
export interface UnpackOptions {
  /** The name of the file for messages. */
  readonly name: string;
  /** The largest permitted size of the decompressed bytes. A file with more bytes counts as a decompression bomb. */
  readonly limitBytes: number;
  readonly signal: AbortSignal;
}

/** The largest number of nested compressions that are undone. */
const deepest = 3;

/**
 * Decompresses bytes that gzip, xz, bzip2 or zstd compressed; the first bytes tell the format. Other bytes are returned
 * unchanged. A result that is itself compressed is decompressed again, up to three times in all. Throws `usage` when the file is
 * incomplete or damaged, or when its decompressed bytes exceed the limit. Throws `tool` when the program that decompresses the
 * format is not installed.
 */
export async function decompress(bytes: Buffer, options: UnpackOptions): Promise<Buffer> {
  let plain = bytes;
  for (let depth = 0; depth < deepest; depth += 1) {
    const magic = plain.toString('hex', 0, 6);
    const found = compressions.find((compression) => magic.startsWith(compression.magic));
    if (magic.startsWith(gzipMagic)) plain = gunzip(plain, options);
    else if (found === undefined) return plain;
    else plain = await runDecompressor(found.program, plain, options);
  }
  return plain;
}

function gunzip(bytes: Buffer, { name, limitBytes }: UnpackOptions): Buffer {
  try {
    return gunzipSync(bytes, { maxOutputLength: limitBytes });
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ERR_BUFFER_TOO_LARGE') {
      throw tooLarge(name, limitBytes);
    }
    throw new HarnessError('usage', `${name} is not a complete gzip file`, { cause: error });
  }
}

async function runDecompressor(
  program: string,
  input: Buffer,
  { name, limitBytes, signal }: UnpackOptions,
): Promise<Buffer> {
  throwIfAborted(signal);
  // execa must not buffer the output, because execa quotes it in errors, and the output of a decompression bomb is longer than a
  // string can be.
  const child = execa(program, ['--decompress', '--stdout'], {
    input,
    buffer: false,
    reject: false,
    cleanup: true,
    cancelSignal: signal,
    extendEnv: false,
    env: cleanEnv(),
  });
  child.stderr.resume();
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of child.stdout) {
    length += (chunk as Buffer).length;
    if (length > limitBytes) {
      child.kill('SIGKILL');
      break;
    }
    chunks.push(chunk as Buffer);
  }
  const end = await child;
  throwIfAborted(signal);
  if (length > limitBytes) throw tooLarge(name, limitBytes);
  if (end.code === 'ENOENT') {
    throw new HarnessError('tool', `${name} needs ${program}, which is not installed`);
  }
  if (end.failed) throw new HarnessError('usage', `${name} is not a complete ${program} file`);
  return Buffer.concat(chunks);
}

function tooLarge(name: string, limitBytes: number): HarnessError {
  const most = `${Math.floor(limitBytes / 1024 / 1024)} MiB`;
  return new HarnessError(
    'usage',
    `${name} holds more than ${most}, and splat reads no larger series`,
  );
}

/** A regular file of an archive. */
export interface Member {
  /** The path in the archive, without a leading `./`. */
  readonly path: string;
  readonly bytes: Buffer;
}

/** The content of an archive. */
export interface Archive {
  readonly members: readonly Member[];
  /** Members that are neither a file nor a folder, nor a link to a file of the archive. `why` is the reason. */
  readonly left: readonly { readonly path: string; readonly why: string }[];
}

/** splat refuses an archive that has this many files or more. No queue of patches has so many files. */
const mostMembers = 50_000;

/** True for a tar archive of POSIX or GNU, which has the magic word `ustar` in its first header. */
export function isTar(bytes: Buffer): boolean {
  return bytes.length >= 512 && bytes.toString('latin1', 257, 262) === 'ustar';
}

/**
 * Returns the regular files of an uncompressed tar archive, in the order of the archive, and then the links to these files, with
 * the files' content. Other links, and devices, are in `left`. Nothing is written to disk. Throws `usage`, with `name` in the
 * message, when the archive is damaged or has 50,000 files or more.
 */
export function readTar(bytes: Buffer, name: string): Archive {
  const members: Member[] = [];
  const others: { readonly path: string; readonly target?: string }[] = [];
  let fault: unknown;
  const parser = new Parser({
    strict: true,
    onReadEntry: (entry: ReadEntry) => {
      const chunks: Buffer[] = [];
      const isFile = ['File', 'OldFile', 'ContiguousFile'].includes(entry.type);
      const path = withoutDot(entry.path);
      if (!isFile || members.length + others.length >= mostMembers) {
        const isFolder = ['Directory', 'GNUDumpDir'].includes(entry.type);
        const target = targetOf(entry);
        if (!isFolder) others.push(target === undefined ? { path } : { path, target });
        entry.resume();
        return;
      }
      entry.on('data', (chunk: Buffer) => void chunks.push(Buffer.from(chunk)));
      entry.on('end', () => void members.push({ path, bytes: Buffer.concat(chunks) }));
    },
  });
  parser.on('error', (error) => (fault ??= error));
  parser.end(bytes);
  if (fault !== undefined) {
    throw new HarnessError('usage', `${name} is not an archive that can be read`, { cause: fault });
  }
  if (members.length + others.length >= mostMembers) {
    throw new HarnessError(
      'usage',
      `${name} holds ${mostMembers} files or more, and splat reads no larger series`,
    );
  }
  return withLinks(members, others);
}

function withoutDot(path: string): string {
  return path.replace(/^(?:\.\/)+/, '');
}

/** Returns the path in the archive to which an entry links, or undefined when the entry is no link. */
function targetOf({ type, path, linkpath = '' }: ReadEntry): string | undefined {
  if (type === 'Link') return withoutDot(linkpath);
  return type === 'SymbolicLink'
    ? posix.join(posix.dirname(withoutDot(path)), linkpath)
    : undefined;
}

function withLinks(
  members: readonly Member[],
  others: readonly { readonly path: string; readonly target?: string }[],
): Archive {
  const byPath = new Map(members.map((one) => [one.path, one.bytes]));
  const linked: Member[] = [];
  const left: { path: string; why: string }[] = [];
  for (const { path, target } of others) {
    const content = target === undefined ? undefined : byPath.get(target);
    if (content !== undefined) linked.push({ path, bytes: content });
    else if (target === undefined) left.push({ path, why: 'no file' });
    else left.push({ path, why: `a link to ${target}, which is not in the archive` });
  }
  return { members: [...members, ...linked], left };
}

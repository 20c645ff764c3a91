import { constants, fstatSync, openSync, readSync, statSync } from 'node:fs';
import { type FileHandle, open, stat } from 'node:fs/promises';
import { Socket } from 'node:net';
import { resolve } from 'node:path';
import { Readable } from 'node:stream';
import { setImmediate } from 'node:timers/promises';
import { HarnessError } from '../errors.ts';
import { readFaultIn, readIfThere } from '../host/disk.ts';
import type { CommandContext } from './context.ts';

type Chunk = Uint8Array | string;

/** The number of bytes of one read. */
const chunkBytes = 1024 * 1024;

/** Standard input when the log comes from standard input. Undefined when the user named a file. */
function standardInput(
  file: string | undefined,
  { stdin }: CommandContext,
): NodeJS.ReadableStream | undefined {
  // yargs-parser turns a positional that is a single dash into the empty string.
  if (file === '-' || file === '') return stdin;
  if (file !== undefined) return undefined;
  if ('isTTY' in stdin && stdin.isTTY) {
    throw new HarnessError('usage', 'triage needs FILE, or - for stdin');
  }
  return stdin;
}

/** True when the user named a folder, or a link to a folder. */
export function isFolder(file: string | undefined, { cwd }: CommandContext): boolean {
  if (file === undefined || file === '-' || file === '') return false;
  return statSync(resolve(cwd, file), { throwIfNoEntry: false })?.isDirectory() === true;
}

async function openLog(file: string, { cwd }: CommandContext): Promise<FileHandle> {
  try {
    const handle = await open(resolve(cwd, file));
    if (!(await handle.stat()).isDirectory()) return handle;
    await handle.close();
  } catch (cause) {
    throw new HarnessError('usage', `cannot read ${file}: ${readFaultIn(cause)}`, { cause });
  }
  throw new HarnessError('usage', `${file} is a folder, and --batch reads one file of JSON lines`);
}

async function* readBytes(
  file: string | undefined,
  context: CommandContext,
): AsyncGenerator<Chunk> {
  const stdin = standardInput(file, context);
  if (stdin) {
    const fd = regularFile(stdin);
    if (fd === undefined) yield* readStream(stdin, context);
    else yield* readWhole(fd, context);
  } else if (file !== undefined) {
    const path = resolve(context.cwd, file);
    if ((await readIfThere(stat(path)))?.isFIFO() === true) {
      yield* readFifo(path, context);
      return;
    }
    const handle = await openLog(file, context);
    try {
      if ((await handle.stat()).isFile()) yield* readWhole(handle.fd, context);
      else yield* readStream(handle.createReadStream({ autoClose: false }), context);
    } finally {
      await handle.close();
    }
  }
}

/** Reads a pipe or a device to its end. An interrupt ends the wait for more data. */
async function* readStream(
  stream: NodeJS.ReadableStream,
  { signal }: CommandContext,
): AsyncGenerator<Chunk> {
  throwIfAborted(signal);
  const stop = () => {
    if (stream instanceof Readable) stream.destroy(signal.reason as Error);
  };
  signal.addEventListener('abort', stop, { once: true });
  try {
    yield* stream;
  } catch (error) {
    throwIfAborted(signal);
    throw error;
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

/**
 * Reads a named pipe. The pipe is opened without waiting, because open(2) would otherwise hold a thread until another process
 * writes, and could not be interrupted.
 */
async function* readFifo(path: string, context: CommandContext): AsyncGenerator<Chunk> {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const socket = new Socket({ fd, readable: true, writable: false });
  try {
    yield* readStream(socket, context);
  } finally {
    socket.destroy();
  }
}

/** The file descriptor of stdin when stdin is a regular file, as in `splat triage - < console.log`. Undefined otherwise. */
function regularFile(stdin: NodeJS.ReadableStream): number | undefined {
  if (!('fd' in stdin) || typeof stdin.fd !== 'number') return undefined;
  return fstatSync(stdin.fd).isFile() ? stdin.fd : undefined;
}

/**
 * Reads a regular file to its end, from the current position of its descriptor. Reads are synchronous, because a read from the page
 * cache takes less time than handing the read to another thread. Signals are handled between two reads.
 */
async function* readWhole(fd: number, { signal }: CommandContext): AsyncGenerator<Uint8Array> {
  const buffer = Buffer.allocUnsafe(chunkBytes);
  for (;;) {
    await setImmediate();
    throwIfAborted(signal);
    const count = readSync(fd, buffer, 0, chunkBytes, null);
    if (count === 0) return;
    yield buffer.subarray(0, count);
  }
}

export function throwIfAborted(signal: AbortSignal): void {
  if (signal.aborted)
    throw new HarnessError('interrupted', 'interrupted', { cause: signal.reason });
}

/** The first bytes of files that may contain a log but are no log themselves, with the name of the format. */
const packed: readonly { readonly magic: string; readonly name: string }[] = [
  { magic: 'fd377a585a00', name: 'xz' },
  { magic: '28b52ffd', name: 'zstd' },
  { magic: '425a683?314159265359', name: 'bzip2' },
  { magic: '04224d18', name: 'lz4' },
  { magic: '894c5a4f000d0a1a0a', name: 'lzop' },
  { magic: '504b0304', name: 'zip' },
  { magic: '377abcaf271c', name: '7z' },
];
const gzipMagic = '1f8b08';
const longestMagic = 10;

/** Returns the name of the log for messages. */
export function nameOfLog(file: string | undefined): string {
  return file === undefined || file === '-' || file === '' ? 'standard input' : file;
}

/** Yields the bytes of the log. gzip data is unpacked. Each chunk is valid until the next chunk is read. */
export async function* readLog(
  file: string | undefined,
  context: CommandContext,
): AsyncGenerator<Chunk> {
  const chunks = readBytes(file, context);
  const start = await readStart(chunks);
  const whole = joined(start, chunks);
  const magic = Buffer.concat(start.map((chunk) => Buffer.from(chunk))).toString('hex', 0, 10);
  const found = packed.find((one) => new RegExp(`^${one.magic.replace('?', '.')}`).test(magic));
  if (found !== undefined) {
    await chunks.return(undefined);
    const name = nameOfLog(file);
    throw new HarnessError('usage', `${name} is ${found.name} data; unpack it first`);
  }
  yield* magic.startsWith(gzipMagic) ? unzip(whole, nameOfLog(file)) : whole;
}

/** The first chunks, which together are at least as long as the longest magic number. */
async function readStart(chunks: AsyncGenerator<Chunk>): Promise<readonly Chunk[]> {
  const start: Chunk[] = [];
  for (let bytes = 0; bytes < longestMagic; ) {
    const next = await chunks.next();
    if (next.done === true) break;
    const { value } = next;
    bytes += value.length;
    // The chunk is copied, because it becomes invalid when the next chunk is read.
    start.push(bytes < longestMagic ? Buffer.from(value) : value);
  }
  return start;
}

async function* joined(
  start: readonly Chunk[],
  rest: AsyncGenerator<Chunk>,
): AsyncGenerator<Chunk> {
  try {
    yield* start;
    yield* rest;
  } finally {
    await rest.return(undefined);
  }
}

async function* unzip(chunks: AsyncIterable<Chunk>, name: string): AsyncGenerator<Chunk> {
  const [{ createGunzip }, { pipeline }] = await Promise.all([
    import('node:zlib'),
    import('node:stream'),
  ]);
  async function* copies(): AsyncGenerator<Buffer> {
    for await (const chunk of chunks) yield Buffer.from(chunk);
  }
  const packedBytes = Readable.from(copies(), { highWaterMark: 1 });
  // Errors of the pipeline are thrown where its other end is read.
  const plainBytes = pipeline(
    packedBytes,
    createGunzip({ chunkSize: chunkBytes }),
    () => undefined,
  );
  try {
    yield* plainBytes;
  } catch (cause) {
    if (!(cause instanceof Error && 'errno' in cause && 'code' in cause)) throw cause;
    if (!String(cause.code).startsWith('Z_')) throw cause;
    throw new HarnessError('usage', `${name}: its gzip data is damaged or cut off`, { cause });
  }
}

import { closeSync, constants, createReadStream, fstatSync, openSync, readSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { Socket } from 'node:net';
import { addAbortSignal } from 'node:stream';
import { buffer, text } from 'node:stream/consumers';
import { HarnessError } from '../errors.ts';
import { isCode } from './disk.ts';

/** The number of bytes in each read(2). */
const chunkBytes = 1024 * 1024;

/**
 * Reads a whole regular file. Throws `usage` when the file is anything else, such as a pipe or a device, and when it has more than
 * `largestBytes` bytes. Messages call the file `shown`. When `links` is `refuse`, a symbolic link at `path` fails with ELOOP.
 * Errors of open(2) and read(2) are thrown as they are.
 */
export async function readRegular(
  path: string,
  {
    largestBytes,
    shown = path,
    links = 'follow',
  }: {
    readonly largestBytes: number;
    readonly shown?: string;
    readonly links?: 'follow' | 'refuse';
  },
): Promise<Buffer> {
  // Without O_NONBLOCK, open(2) of a pipe would block a thread until another process opens the pipe for writing, and could not
  // be interrupted.
  const flags = constants.O_RDONLY | constants.O_NONBLOCK;
  await using file = await open(path, links === 'follow' ? flags : flags | constants.O_NOFOLLOW);
  const found = await file.stat();
  if (!found.isFile()) throw new HarnessError('usage', `${shown} is not a regular file`);
  // A file may grow while it is read, and files of /proc have no size.
  const stream = file.createReadStream({
    end: largestBytes,
    autoClose: false,
    highWaterMark: chunkBytes,
  });
  const bytes = found.size > largestBytes ? undefined : await buffer(stream);
  if (bytes !== undefined && bytes.length <= largestBytes) return bytes;
  throw new HarnessError('usage', `${shown} is larger than ${largestBytes} bytes`);
}

/** The largest number of bytes that readSmallText() reads. */
const smallBytes = 4 * 1024 * 1024;

/**
 * Reads a text that a person wrote, from a file or from a pipe such as the shell's `<(...)`. At most the first 4 MiB are read, also
 * from a file without end such as /dev/zero; the parser of the text refuses so much. A pipe that no process has open for writing
 * counts as empty. Throws `interrupted` when the signal fires while the writer of a pipe is silent.
 */
export async function readSmallText(path: string, signal?: AbortSignal): Promise<string> {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  if (!fstatSync(fd).isFIFO()) return await text(createReadStream('', { fd, end: smallBytes - 1 }));
  const first = readWaiting(fd);
  if (first?.length === 0) {
    closeSync(fd);
    return '';
  }
  // A socket of Node waits for a pipe without holding a thread.
  const pipe = new Socket({ fd, readable: true, writable: false });
  if (signal !== undefined) addAbortSignal(signal, pipe);
  const chunks: Buffer[] = first === undefined ? [] : [first];
  let bytes = 0;
  try {
    for await (const chunk of pipe) {
      chunks.push(chunk as Buffer);
      bytes += (chunk as Buffer).length;
      if (bytes >= smallBytes) break;
    }
  } catch (cause) {
    if (signal?.aborted !== true) throw cause;
    throw new HarnessError('interrupted', 'interrupted', { cause });
  }
  return Buffer.concat(chunks).toString('utf8', 0, smallBytes);
}

/**
 * Returns the bytes that wait in a pipe, at most 64 KiB. Returns no bytes when no process has the pipe open for writing, and
 * undefined when its writer has not written yet. epoll(7) does not tell these two cases apart.
 */
function readWaiting(fd: number): Buffer | undefined {
  const bytes = Buffer.alloc(65_536);
  try {
    return bytes.subarray(0, readSync(fd, bytes));
  } catch (error) {
    if (isCode(error, 'EAGAIN')) return undefined;
    throw error;
  }
}

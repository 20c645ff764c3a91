import { createHash } from 'node:crypto';
import { open, rm } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { startDeadline } from '../deadline.ts';
import { throwIfAborted } from '../process.ts';
import type { Blob } from './place.ts';
import { StoreFault } from './store-fault.ts';

/** The lowest permitted rate of a transfer. A build on this host is faster than a transfer below this rate. */
const slowestBytesPerSecond = 512 * 1024;
const patienceMs = 30_000;

/** Returns the time limit in milliseconds for the transfer of `bytes` bytes: 30 s plus a second for each 512 KiB. */
export function transferLimitMs(bytes: number): number {
  return patienceMs + (bytes / slowestBytesPerSecond) * 1000;
}

/**
 * Writes a stream to the new file `path` and verifies the size and the digest. Reading stops as soon as the stream has more bytes
 * than the blob. On a failure the file is removed. Throws a StoreFault: `refused` when the bytes are not those of the blob,
 * `unreachable` when the stream takes too long. Errors of the stream and of the disk are thrown as they are.
 */
export async function receiveBlob(
  stream: Readable,
  path: string,
  { sha256, bytes }: Blob,
  { signal, limitMs = transferLimitMs(bytes) }: { signal: AbortSignal; limitMs?: number },
): Promise<void> {
  const what = `blob ${sha256.slice(0, 16)}`;
  // The stream may fail before the first read, without a listener for the error. The first read then throws the same error.
  stream.on('error', () => undefined);
  using _deadline = startDeadline(signal, limitMs, () => {
    const text = `${what}: not complete after ${Math.round(limitMs / 1000)} s`;
    stream.destroy(new StoreFault('unreachable', text));
  });
  try {
    const received = await writeStream(stream, path, bytes);
    if (received.bytes > bytes) {
      throw new StoreFault('refused', `${what}: it has more than ${bytes} bytes`);
    }
    if (received.bytes < bytes) {
      throw new StoreFault('refused', `${what}: it has ${received.bytes} bytes, not ${bytes}`);
    }
    if (received.sha256 !== sha256) {
      throw new StoreFault('refused', `${what}: its content has another digest`);
    }
  } catch (error) {
    stream.destroy();
    await rm(path, { force: true });
    throwIfAborted(signal);
    throw error;
  }
}

async function writeStream(stream: Readable, path: string, limit: number): Promise<Blob> {
  const hash = createHash('sha256');
  let bytes = 0;
  await using file = await open(path, 'wx');
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > limit) break;
    hash.update(chunk);
    await file.writeFile(chunk);
  }
  return { sha256: hash.digest('hex'), bytes };
}

import { createHash } from 'node:crypto';
import { open, rm } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { startDeadline } from '../deadline.ts';
import { throwIfAborted } from '../process.ts';
import type { Blob } from './place.ts';
import { StoreFault } from './store-fault.ts';

/** The lowest permitted rate of a transfer: with a slower store, a build on this host is faster. */
const slowestBytesPerSecond = 512 * 1024;
const patienceMs = 30_000;

/** The time limit for the transfer of a blob of this size, in milliseconds: 30 s, and a second more for each 512 KiB. */
export function transferLimitMs(bytes: number): number {
  return patienceMs + (bytes / slowestBytesPerSecond) * 1000;
}

/**
 * Writes a stream to the new file `path` and computes its digest on the way. When it resolves, the file has exactly the bytes of
 * `blob`. Stops at the first byte beyond the size of `blob`. Removes the file on a failure. Throws a StoreFault: `refused` for
 * other bytes, `unreachable` for a stream that takes too long. An error of the stream itself or of the disk is thrown as it is.
 */
export async function receiveBlob(
  stream: Readable,
  path: string,
  { sha256, bytes }: Blob,
  { signal, limitMs = transferLimitMs(bytes) }: { signal: AbortSignal; limitMs?: number },
): Promise<void> {
  const what = `blob ${sha256.slice(0, 16)}`;
  // The stream may fail before it is read. Reading it then throws the same error.
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

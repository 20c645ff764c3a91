import { createWriteStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { explainDiskError } from '../host/disk.ts';

/**
 * The longest path of a socket, in bytes: the size of sun_path in unix(7) without its last byte. `socketName` is the text that
 * mkdtemp(3) and the socket's name add to the path of a folder.
 */
const longestPath = 107;
const socketName = '/splat-XXXXXX/stream';

/**
 * Returns the folder in which the socket for writing `file` is made. That is the folder of `file`, so that whoever removes a
 * half-written `file` with its folder removes the socket, too. When this path would be too long for a socket, returns the folder
 * for temporary files.
 */
function placeFor(file: string): string {
  const dir = dirname(file);
  return Buffer.byteLength(dir) + socketName.length <= longestPath ? dir : tmpdir();
}

/**
 * Makes a private socket and calls `send` with its path. Writes to `file` what arrives on the socket, until the sender closes it.
 * Resolves when everything is written and `send` has resolved. Throws `infra` for an error of the disk. Throws an error of `send`
 * as it is.
 */
export async function receiveStream(
  file: string,
  send: (socketPath: string) => Promise<void>,
): Promise<void> {
  const dir = await mkdtemp(join(placeFor(file), 'splat-'));
  const server = createServer();
  try {
    const socketPath = join(dir, 'stream');
    let connected = false;
    const received = new Promise<void>((resolve, reject) => {
      server.once('connection', (socket: Socket) => {
        connected = true;
        pipeline(socket, createWriteStream(file)).then(resolve, reject);
      });
      server.once('error', reject);
    });
    const listening = new Promise<void>((resolve) => server.listen(socketPath, resolve));
    await Promise.race([listening, received]);
    const sending = send(socketPath).catch((error: unknown) => {
      // The sender failed before it connected, so no connection will come.
      if (!connected) server.emit('error', error);
      throw error;
    });
    const [stored, sent] = await Promise.allSettled([received, sending]);
    // A full disk makes the sender fail as well. The disk's error is the cause, so it is thrown first.
    if (stored.status === 'rejected') throw stored.reason;
    if (sent.status === 'rejected') throw sent.reason;
  } catch (error) {
    throw explainDiskError(error, file);
  } finally {
    server.close();
    await rm(dir, { recursive: true, force: true });
  }
}

import { createWriteStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { explainDiskError } from '../host/disk.ts';

/**
 * The longest path of a socket: the size of sun_path in unix(7) without its last byte. `socketName` is what mkdtemp(3) and the
 * socket add to the path of a folder.
 */
const longestPath = 107;
const socketName = '/splat-XXXXXX/stream';

/**
 * The folder in which the socket for `file` is made. It is the folder of `file`, so that both are removed together when `file`
 * stays half-written. When the path would be too long for a socket, it is the folder for temporary files.
 */
function placeFor(file: string): string {
  const dir = dirname(file);
  return Buffer.byteLength(dir) + socketName.length <= longestPath ? dir : tmpdir();
}

/**
 * Listens on a private socket and passes its path to `send`. What arrives on the socket is written to `file` until the sender
 * closes it. Resolves when all of it is written and `send` has resolved. An error of the disk becomes `infra`; an error of `send`
 * is thrown as it is.
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
      // When the sender fails before it connects, no connection will come.
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

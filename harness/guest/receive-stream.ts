import { createWriteStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { explainDiskError } from '../host/disk.ts';

/** sun_path of unix(7), with its last byte; and what mkdtemp(3) and the socket add to a folder's name. */
const longestPath = 107;
const socketName = '/splat-XXXXXX/stream';

/** Beside the file, which whoever finds it half-written removes with all that is there; elsewhere if that path is too long. */
function placeFor(file: string): string {
  const dir = dirname(file);
  return Buffer.byteLength(dir) + socketName.length <= longestPath ? dir : tmpdir();
}

/** Listens on a private socket, hands its path to `send`, and writes what arrives there to `file` until the sender ends. */
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
      // A sender that fails before it connects never will.
      if (!connected) server.emit('error', error);
      throw error;
    });
    const [stored, sent] = await Promise.allSettled([received, sending]);
    // A disk that is full ends the sender too; its own complaint comes second.
    if (stored.status === 'rejected') throw stored.reason;
    if (sent.status === 'rejected') throw sent.reason;
  } catch (error) {
    throw explainDiskError(error, file);
  } finally {
    server.close();
    await rm(dir, { recursive: true, force: true });
  }
}

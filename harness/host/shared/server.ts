import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { HarnessError } from '../../errors.ts';
import { startDeadline } from '../deadline.ts';
import { makeFolder } from '../disk.ts';
import { answerRequest, largestBlobBytes, type ServedStore } from './answer.ts';
import { draftsFolder, folderPlace } from './folder-place.ts';
import { transferLimitMs } from './receive.ts';

const mostConnections = 128;
/** A connection without traffic for this time is closed. */
const silenceLimitMs = 30_000;
/** The time that running requests get to end when the server is told to stop. */
const graceMs = 5_000;

export interface ServeOptions extends Omit<ServedStore, 'place'> {
  readonly host: string;
  /** The port to listen on; 0 for any free port. */
  readonly port: number;
  /** The certificate and its private key, as texts in PEM. Absent: the server speaks http. */
  readonly tls?: { readonly cert: string; readonly key: string };
}

export interface StoreServer {
  readonly url: string;
  /** Resolves when the signal has fired and all connections are closed, which takes at most 5 s. */
  readonly closed: Promise<void>;
}

/**
 * Serves the folder of a shared store over HTTP until the signal fires. A missing folder is created. Resolves when the server
 * accepts connections. Throws `infra` when the address cannot be used.
 */
export async function serveStore(options: ServeOptions): Promise<StoreServer> {
  await makeFolder(draftsFolder(options.dir));
  const store = { ...options, place: folderPlace(options.dir) };
  const running = new Set<Promise<void>>();
  const handle = (request: IncomingMessage, response: ServerResponse): void => {
    const answered = answerRequest(request, response, store)
      .catch(() => void response.destroy())
      .finally(() => running.delete(answered));
    running.add(answered);
  };
  const limits = {
    headersTimeout: 10_000,
    requestTimeout: transferLimitMs(largestBlobBytes),
    keepAliveTimeout: 5_000,
    maxHeaderSize: 8 * 1024,
  };
  const server =
    options.tls === undefined
      ? createServer(limits, handle)
      : createTlsServer({ ...limits, ...options.tls }, handle);
  server.maxConnections = mostConnections;
  server.setTimeout(silenceLimitMs);
  await listen(server, options);
  const { port } = server.address() as AddressInfo;
  const scheme = options.tls === undefined ? 'http' : 'https';
  const host = options.host.includes(':') ? `[${options.host}]` : options.host;
  return { url: `${scheme}://${host}:${port}`, closed: closeOn(server, running, options.signal) };
}

async function listen(server: Server, { host, port }: ServeOptions): Promise<void> {
  try {
    server.listen(port, host);
    await once(server, 'listening');
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new HarnessError('infra', `cannot serve on ${host}:${port}: ${reason}`, { cause: error });
  }
}

async function closeOn(
  server: Server,
  running: ReadonlySet<Promise<void>>,
  signal: AbortSignal,
): Promise<void> {
  const closed = once(server, 'close');
  if (!signal.aborted) await once(signal, 'abort');
  server.close();
  server.closeIdleConnections();
  using _deadline = startDeadline(new AbortController().signal, graceMs, () =>
    server.closeAllConnections(),
  );
  await closed;
  // The handler of an upload that was cut off removes the upload's draft before the handler ends.
  await Promise.all(running);
}

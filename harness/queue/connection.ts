import { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type {
  BackendClasses,
  BackendFactory,
  ConnectionOptions,
  IQueueBackend,
  WorkerOptions,
} from 'bullmq';
import type { Redis } from 'ioredis';
import { firstLineOf, HarnessError } from '../errors.ts';
import { unlessAborted } from '../host/deadline.ts';
import type { QueueAddress } from './address.ts';

type Classes = BackendClasses<IQueueBackend, ConnectionOptions>;
export type SharedQueue = InstanceType<Classes['Queue']>;
export type SharedWorker = InstanceType<Classes['Worker']>;
export type SharedJob = Awaited<ReturnType<SharedWorker['getNextJob']>>;

/** The connection of a process to the server of its queues. All queues share it. */
export interface Connection {
  /** Opens a queue to add jobs and to ask about them. */
  readonly openQueue: (name: string) => SharedQueue;
  /** Opens a queue to take jobs from; `losses` says when a job counts as lost with its worker, and how often that may happen. */
  readonly openWorker: (
    name: string,
    losses: Pick<WorkerOptions, 'lockDuration' | 'stalledInterval' | 'maxStalledCount'>,
  ) => SharedWorker;
  /** Closes the connection; the queues and workers must be closed before. */
  readonly close: () => Promise<void>;
}

/** How many milliseconds a Redis may take for its first answer. Then it counts as absent: its library would ask for ever. */
const readyMs = 15_000;
/**
 * How long a connection may be silent, in milliseconds. After that it is replaced, because a connection that is cut off never
 * reports that.
 */
const silentMs = 20_000;
/** How many milliseconds the end of a connection may take; a server that cannot be reached never confirms it. */
const farewellMs = 500;
/**
 * The most connections that a process takes to a PostgreSQL, which allows 100 by default. The second is for the renewal of locks,
 * which must not wait for a long result.
 */
const mostConnections = 2;

/**
 * Opens the connection, after loading its library. Throws `infra` when the server does not answer or refuses it, and the signal's
 * reason when the signal fires first.
 */
export async function openConnection(
  address: QueueAddress,
  signal: AbortSignal,
): Promise<Connection> {
  const bull = await import('bullmq');
  const backend =
    address.kind === 'redis' ? await openRedis(bull, address) : openPostgres(bull, address);
  try {
    await unlessAborted(backend.ready(), signal);
  } catch (cause) {
    await backend.close();
    if (signal.aborted) throw cause;
    throw serverFault(address, cause);
  }
  const { Queue, Worker } = bull.withBackend<IQueueBackend, ConnectionOptions>(backend.factory);
  // The backends have the connection already, so `connection` is empty here.
  const options = { connection: {}, prefix };
  return {
    openQueue: (name) => new Queue(name, options).on('error', ignore),
    openWorker: (name, losses) =>
      new Worker(name, null, { ...options, autorun: false, ...losses }).on('error', ignore),
    close: backend.close,
  };
}

/** The prefix of the keys in Redis, and the name of the schema in PostgreSQL. */
const prefix = 'splat';

/** What the queues of a process share. */
interface Backend {
  readonly factory: BackendFactory;
  readonly ready: () => Promise<unknown>;
  readonly close: () => Promise<void>;
}

/** The library replaces a connection that breaks, and a call that fails reports that itself, so these errors are ignored. */
function ignore(): void {}

type Library = typeof import('bullmq');

async function openRedis(bull: Library, { url }: QueueAddress): Promise<Backend> {
  const { Redis } = await import('ioredis');
  const client = new Redis(url, {
    maxRetriesPerRequest: null,
    retryStrategy: (times) => Math.min(times * 500, 5000),
    disconnectTimeout: farewellMs,
  });
  // The library's own socketTimeout would keep the process alive after the connection is closed.
  client.on('connect', () => endSilence(client));
  const connection = new bull.RedisConnection(client, { shared: true, blocking: false });
  let fault = new Error('no answer');
  connection.on('error', (error: Error) => void (fault = error));
  const keys = new bull.QueueKeys(prefix);
  return {
    factory: (name, opts) =>
      new bull.RedisQueueBackend(
        connection,
        name,
        keys.getKeys(name),
        (type) => keys.toKey(name, type),
        opts,
        undefined,
        false,
      ),
    ready: async () => {
      const late = sleep(readyMs, undefined, { ref: false });
      const ready = await Promise.race([connection.client, late]);
      if (ready === undefined) throw fault;
    },
    close: async () => {
      await connection.close();
      client.disconnect();
    },
  };
}

/** Closes the socket of a client when no answer comes; the client then opens another. */
function endSilence(client: Redis): void {
  const { stream } = client;
  let heardMs = performance.now();
  stream.on('data', () => {
    heardMs = performance.now();
  });
  const watch = setInterval(() => {
    if (performance.now() - heardMs > silentMs) stream.destroy(noAnswer());
    else if (client.status === 'ready') client.ping().catch(() => undefined);
  }, silentMs / 4).unref();
  stream.on('close', () => clearInterval(watch));
}

function noAnswer(): Error {
  return new Error(`no answer in ${silentMs / 1000} s`);
}

function openPostgres(bull: Library, { url }: QueueAddress): Backend {
  const sockets = new Set<Socket>();
  const connection = new bull.PostgresConnection({
    connectionString: url,
    schema: prefix,
    migrate: true,
    keepAlive: true,
    max: mostConnections,
    stream: () => {
      const socket = new Socket();
      sockets.add(socket.on('close', () => void sockets.delete(socket)));
      return socket.setTimeout(silentMs, () => void socket.destroy(noAnswer()));
    },
  });
  connection.on('error', ignore);
  // While the tables are made, no other code listens for errors.
  connection.pool.on('connect', (client) => client.on('error', ignore));
  return {
    factory: (name, opts) => new bull.PostgresQueueBackend(connection, name, opts as never, false),
    ready: async () => connection.waitUntilReady(),
    close: async () => {
      await Promise.race([
        connection.close().catch(() => undefined),
        sleep(farewellMs, undefined, { ref: false }),
      ]);
      for (const socket of sockets) socket.destroy();
    },
  };
}

/** PostgreSQL's error code when it accepts no more connections (its manual, appendix A). */
const tooManyConnections = '53300';

/** The error for a failed call to the server: `infra`, in one line. */
export function serverFault({ shown }: QueueAddress, cause: unknown): HarnessError {
  const isFull = cause instanceof Error && 'code' in cause && cause.code === tooManyConnections;
  const next = isFull
    ? `; the server has no connection left, and each worker needs up to ${mostConnections}: raise max_connections in its configuration`
    : '';
  return new HarnessError('infra', `--queue ${shown}: ${firstLineOf(cause)}${next}`, { cause });
}

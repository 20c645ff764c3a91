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

/** The connection of this process to the server of the job queues. All its queues share the connection. */
export interface Connection {
  /** Opens a queue for adding jobs and for reading their states. */
  readonly openQueue: (name: string) => SharedQueue;
  /**
   * Opens a queue to take jobs from. `losses` says after which time a job counts as lost with its worker, and how often a job may
   * be lost.
   */
  readonly openWorker: (
    name: string,
    losses: Pick<WorkerOptions, 'lockDuration' | 'stalledInterval' | 'maxStalledCount'>,
  ) => SharedWorker;
  /** Closes the connection; the queues and workers must be closed before. */
  readonly close: () => Promise<void>;
}

/**
 * The time limit for the first answer of a Redis server, in milliseconds. After that, the server counts as absent; the library
 * would try for ever.
 */
const readyMs = 15_000;
/** The time in milliseconds after which a silent connection is replaced: a connection that is cut off never reports this. */
const silentMs = 20_000;
/** The time limit for the end of a connection, in milliseconds. A server that cannot be reached never confirms the end. */
const farewellMs = 500;
/**
 * The most connections of this process to a PostgreSQL server, which by default accepts 100 in all. The second connection renews
 * locks, which must not wait while the first connection transfers a long result.
 */
const mostConnections = 2;

/**
 * Loads the library of the server, and opens the connection. Throws `infra` when the server does not answer or refuses the
 * connection. Throws the signal's reason when the signal fires first.
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
  // The connection is in the backends already, so the field `connection` is empty.
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

/** The parts of a connection that depend on the kind of server, Redis or PostgreSQL. */
interface Backend {
  readonly factory: BackendFactory;
  readonly ready: () => Promise<unknown>;
  readonly close: () => Promise<void>;
}

/**
 * Ignores errors of a connection: the library replaces a connection that breaks, and each call that fails reports its own error.
 */
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

/** Closes the socket of a Redis client when the server has been silent for too long. The client then opens another socket. */
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
  // While the library makes its tables, it listens for no errors of its connections.
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
  const text = `--queue ${shown}: ${firstLineOf(cause)}; splat cannot use this queue${next}`;
  return new HarnessError('infra', text, { cause });
}

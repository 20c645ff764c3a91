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

/** The connection of a process to the server of its queues, whatever their number. */
export interface Connection {
  readonly openQueue: (name: string) => SharedQueue;
  readonly openWorker: (
    name: string,
    losses: Pick<WorkerOptions, 'lockDuration' | 'stalledInterval' | 'maxStalledCount'>,
  ) => SharedWorker;
  /** After its queues and workers. */
  readonly close: () => Promise<void>;
}

/** A Redis that does not answer for so long at the beginning is not there: its library asks for ever. */
const readyMs = 15_000;
/** A connection on which nothing comes or goes for so long, though something should, is made anew: what it was cut off from never says so. */
const silentMs = 20_000;
/** A server that is away answers no farewell. */
const farewellMs = 500;
/** PostgreSQL takes 100 connections by default. The second one is for what must not wait for a long result: the renewal of a lock. */
const mostConnections = 2;

/** Throws `infra` when the server does not answer, or refuses us. */
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
  // The backends have it already.
  const options = { connection: {}, prefix };
  return {
    openQueue: (name) => new Queue(name, options).on('error', ignore),
    openWorker: (name, losses) =>
      new Worker(name, null, { ...options, autorun: false, ...losses }).on('error', ignore),
    close: backend.close,
  };
}

/** Of the keys in Redis; the tables of PostgreSQL are in a schema of this name. */
const prefix = 'splat';

/** What the queues of a process share. */
interface Backend {
  readonly factory: BackendFactory;
  readonly ready: () => Promise<unknown>;
  readonly close: () => Promise<void>;
}

/** A connection that breaks is made again by the library; a call that fails says so itself. */
function ignore(): void {}

type Library = typeof import('bullmq');

async function openRedis(bull: Library, { url }: QueueAddress): Promise<Backend> {
  const { Redis } = await import('ioredis');
  const client = new Redis(url, {
    maxRetriesPerRequest: null,
    retryStrategy: (times) => Math.min(times * 500, 5000),
    disconnectTimeout: farewellMs,
  });
  // The library's own socketTimeout keeps the process alive after the connection was closed.
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

/** Ends the socket of a client on which no answer comes; the client makes another. */
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
  // Nobody else listens while the tables are made.
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

/** PostgreSQL's code for a server that takes no more connections (its manual, appendix A). */
const tooManyConnections = '53300';

/** `infra`, in one line, for a call that failed. */
export function serverFault({ shown }: QueueAddress, cause: unknown): HarnessError {
  const isFull = cause instanceof Error && 'code' in cause && cause.code === tooManyConnections;
  const next = isFull ? `; each worker takes up to ${mostConnections} of its max_connections` : '';
  return new HarnessError('infra', `--queue ${shown}: ${firstLineOf(cause)}${next}`, { cause });
}

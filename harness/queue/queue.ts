import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Queue, Worker } from 'bullmq';
import { firstLineOf, HarnessError } from '../errors.ts';
import type { QueueAddress } from './address.ts';
import { holdJob, type TakenJob } from './taken-job.ts';

/** A job as it is put into a queue. `id` is the same for the same job: a second one with it is none. */
export interface NewJob {
  readonly id: string;
  readonly data: unknown;
}

/** A job that is done, that nobody could do, or that the queue does not have: its server lost it, or it never was there. */
export type JobEnd =
  | { readonly kind: 'lost' }
  | { readonly kind: 'done'; readonly value: unknown }
  | { readonly kind: 'failed'; readonly why: string };

/** The queue of one capability. */
export interface JobQueue extends AsyncDisposable {
  readonly add: (jobs: readonly NewJob[]) => Promise<void>;
  /** The ends of those of the jobs that have one, by id. */
  readonly ends: (ids: readonly string[]) => Promise<ReadonlyMap<string, JobEnd>>;
  /** The next job; undefined when there is none. */
  readonly take: () => Promise<TakenJob | undefined>;
}

/** Queues that are closed together. */
export interface OpenQueues extends AsyncDisposable {
  readonly open: ReadonlyMap<string, JobQueue>;
}

/** Opens a queue for each name; all of them, or none. */
export async function openQueues(
  names: readonly string[],
  address: QueueAddress,
  lockMs = usualLockMs,
): Promise<OpenQueues> {
  const open = new Map<string, JobQueue>();
  const close = async (): Promise<void> => {
    await Promise.all([...open.values()].map(async (queue) => queue[Symbol.asyncDispose]()));
  };
  try {
    for (const name of names) open.set(name, await openQueue(name, address, lockMs));
  } catch (error) {
    await close();
    throw error;
  }
  return { open, [Symbol.asyncDispose]: close };
}

/** A worker that says nothing for this long has lost its job. */
const usualLockMs = 30_000;
/** A job is tried so often when the host of a worker fails; so often it may be lost with its worker. */
const attempts = 3;
const mostLosses = 5;
/** Before a job is tried again, and twice as long before the third time: another host may be free by then. */
const retryMs = 15_000;
/** Who does not answer for so long at the beginning is not there. */
const readyMs = 15_000;
const keptSeconds = 7 * 24 * 60 * 60;

/**
 * Opens a queue of BullMQ over Redis or PostgreSQL; the library is loaded here. A job is given to one worker at a time; its lock,
 * with a token of this process, is renewed while it runs, and only who holds it may end the job: that is the fence.
 */
async function openQueue(name: string, address: QueueAddress, lockMs: number): Promise<JobQueue> {
  const { queue, worker } = await connect(name, address, lockMs);
  let fault = new Error('no answer');
  // A connection that breaks is made again by the library; a call that fails says so itself.
  const note = (error: Error): void => void (fault = error);
  queue.on('error', note);
  worker.on('error', note);
  try {
    const ready = queue.waitUntilReady().then(() => true);
    if (!(await Promise.race([ready, sleep(readyMs, false, { ref: false })]))) throw fault;
  } catch (error) {
    await Promise.allSettled([queue.close(), worker.close(true)]);
    throw unreachable(address, error);
  }
  await worker.startStalledCheckTimer();
  return {
    add: async (jobs) => {
      await queue.addBulk(
        jobs.map(({ id, data }) => ({
          name: 'cell',
          data,
          opts: {
            jobId: id,
            attempts,
            backoff: { type: 'exponential', delay: retryMs },
            removeOnComplete: { age: keptSeconds },
            removeOnFail: { age: keptSeconds },
          },
        })),
      );
    },
    ends: async (ids) => {
      const found = await Promise.all(ids.map(async (id) => [id, await endOf(queue, id)] as const));
      return new Map(found.flatMap(([id, end]) => (end === undefined ? [] : [[id, end] as const])));
    },
    take: async () => {
      const token = randomUUID();
      const job = await worker.getNextJob(token, { block: false });
      return job === undefined ? undefined : holdJob(job, token, lockMs);
    },
    [Symbol.asyncDispose]: async () => {
      const closed = Promise.allSettled([worker.close(true), queue.close()]);
      // A server that is away answers no farewell.
      await Promise.race([closed, sleep(5000, undefined, { ref: false })]);
    },
  };
}

/** A connection that does not answer for so long is made anew: what it was cut off from never says so. */
const silentMs = 20_000;

async function connect(
  name: string,
  { kind, url }: QueueAddress,
  lockMs: number,
): Promise<{ readonly queue: Queue; readonly worker: Worker }> {
  const bull = await import('bullmq');
  const losses = { lockDuration: lockMs, stalledInterval: lockMs / 2, maxStalledCount: mostLosses };
  if (kind === 'redis') {
    const connection = { url, maxRetriesPerRequest: null, socketTimeout: silentMs };
    const options = { connection, prefix: 'splat' };
    return {
      queue: new bull.Queue(name, options),
      worker: new bull.Worker(name, null, { ...options, autorun: false, ...losses }),
    };
  }
  const { Queue: PgQueue, Worker: PgWorker } = bull.withBackend(bull.createPostgresBackend);
  const connection = {
    connectionString: url,
    schema: 'splat',
    migrate: true,
    keepAlive: true,
    connectionTimeoutMillis: silentMs,
    query_timeout: silentMs,
  };
  return {
    queue: new PgQueue(name, { connection }) as unknown as Queue,
    worker: new PgWorker(name, null, {
      connection,
      autorun: false,
      ...losses,
    }) as unknown as Worker,
  };
}

function unreachable({ shown }: QueueAddress, cause: unknown): HarnessError {
  const why = firstLineOf(cause);
  return new HarnessError('infra', `--queue ${shown}: ${why}`, { cause });
}

async function endOf(queue: Queue, id: string): Promise<JobEnd | undefined> {
  // The state before the rest: a job that is read first may end in between, and then its result is not in it.
  const state = await queue.getJobState(id);
  if (state === 'unknown') return { kind: 'lost' };
  if (state !== 'completed' && state !== 'failed') return undefined;
  const job = await queue.getJob(id);
  if (job === undefined) return { kind: 'lost' };
  return state === 'completed'
    ? { kind: 'done', value: job.returnvalue }
    : { kind: 'failed', why: job.failedReason };
}

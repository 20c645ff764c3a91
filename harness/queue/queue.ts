import { randomUUID } from 'node:crypto';
import { unlessAborted } from '../host/deadline.ts';
import type { QueueAddress } from './address.ts';
import { openConnection, type SharedQueue, serverFault } from './connection.ts';
import { holdJob, type TakenJob } from './taken-job.ts';

/**
 * A job to put into a queue. The same job always has the same `id`. A job whose id is in the queue already is not added again.
 */
export interface NewJob {
  readonly id: string;
  readonly data: unknown;
}

/**
 * The end of a job. `done`: with a value. `failed`: with a reason. `lost`: the queue does not have the job, because its server lost
 * it, it was never added, or it ended more than a week ago.
 */
export type JobEnd =
  | { readonly kind: 'lost' }
  | { readonly kind: 'done'; readonly value: unknown }
  | { readonly kind: 'failed'; readonly why: string };

/** A queue of jobs for workers. All jobs of a queue have the same needs for a worker's host, for example KVM. */
export interface JobQueue {
  /** Adds jobs. When it throws `infra`, some of the jobs may have been added. */
  readonly add: (jobs: readonly NewJob[]) => Promise<void>;
  /** Returns the ends of those jobs that have ended or are lost, by id. A job that waits or runs is not in the map. */
  readonly ends: (ids: readonly string[]) => Promise<ReadonlyMap<string, JobEnd>>;
  /** Takes the next job; undefined when no job waits. */
  readonly take: () => Promise<TakenJob | undefined>;
}

/** Several queues of jobs, by name, which are closed together. */
export interface OpenQueues extends AsyncDisposable {
  readonly open: ReadonlyMap<string, JobQueue>;
}

interface QueueOptions {
  /** When the signal fires, every call that waits for the server rejects with the signal's reason. Absent: such calls wait. */
  readonly signal?: AbortSignal;
  /** The time in milliseconds after which a worker that does not renew its lock loses its job to another worker; default 30,000. */
  readonly lockMs?: number;
}

/**
 * Opens a queue of jobs for each name, with the library BullMQ on a Redis or PostgreSQL server. Throws `infra` when the server
 * does not answer. A job is given to one worker at a time. This worker holds a lock on the job, marked with its own token, and
 * renews the lock while the job runs. Only the holder of the lock can end the job, so a worker that lost its lock cannot
 * overwrite the result of another worker.
 */
export async function openQueues(
  names: readonly string[],
  address: QueueAddress,
  { signal = new AbortController().signal, lockMs = 30_000 }: QueueOptions = {},
): Promise<OpenQueues> {
  const { openQueue, openWorker, close } = await openConnection(address, signal);
  const open = new Map<string, JobQueue>();
  const closing: (() => Promise<void>)[] = [];
  for (const name of names) {
    const queue = openQueue(name);
    const losses = {
      lockDuration: lockMs,
      stalledInterval: lockMs / 2,
      maxStalledCount: mostLosses,
    };
    const worker = openWorker(name, losses);
    await worker.startStalledCheckTimer();
    closing.push(
      async () => worker.close(true),
      async () => queue.close(),
    );
    open.set(name, {
      add: async (jobs) => {
        for (const some of chunksOf(jobs)) {
          await unlessAborted(queue.addBulk(some.map(asBullJob)), signal).catch(
            (cause: unknown) => {
              throw signal.aborted ? cause : serverFault(address, cause);
            },
          );
        }
      },
      ends: async (ids) => {
        const ends = new Map<string, JobEnd>();
        for (const some of chunksOf(ids)) {
          const reading = Promise.all(
            some.map(async (id) => [id, await endOf(queue, id)] as const),
          );
          for (const [id, end] of await unlessAborted(reading, signal)) {
            if (end !== undefined) ends.set(id, end);
          }
        }
        return ends;
      },
      take: async () => {
        const token = randomUUID();
        const job = await unlessAborted(worker.getNextJob(token, { block: false }), signal);
        return job === undefined ? undefined : holdJob(job, { token, lockMs, signal });
      },
    });
  }
  return {
    open,
    [Symbol.asyncDispose]: async () => {
      await Promise.allSettled(closing.map(async (closeOne) => closeOne()));
      await close();
    },
  };
}

/**
 * The number of tries of a job when the hosts of its workers fail (`attempts`), and the number of times that a job may be lost
 * together with its worker (`mostLosses`).
 */
const attempts = 3;
const mostLosses = 5;
/**
 * The wait before the second try of a job, in milliseconds. The wait before the third try is twice as long. By then
 * another host may be free.
 */
const retryMs = 15_000;
/** The time for which the server keeps a job that has ended. */
const keptSeconds = 7 * 24 * 60 * 60;

function asBullJob({ id, data }: NewJob) {
  return {
    name: 'cell',
    data,
    opts: {
      jobId: id,
      attempts,
      backoff: { type: 'exponential', delay: retryMs },
      removeOnComplete: { age: keptSeconds },
      removeOnFail: { age: keptSeconds },
    },
  };
}

/** The largest number of jobs that are added in one call, and that are read at the same time. */
const chunkLength = 100;

function chunksOf<T>(all: readonly T[]): readonly (readonly T[])[] {
  return Array.from({ length: Math.ceil(all.length / chunkLength) }, (_, at) =>
    all.slice(at * chunkLength, (at + 1) * chunkLength),
  );
}

async function endOf(queue: SharedQueue, id: string): Promise<JobEnd | undefined> {
  // The state is read before the job. A job that was read first might end before its state is read: it would seem to be done, but
  // have no result.
  const state = await queue.getJobState(id);
  if (state === 'unknown') return { kind: 'lost' };
  if (state !== 'completed' && state !== 'failed') return undefined;
  const job = await queue.getJob(id);
  if (job === undefined) return { kind: 'lost' };
  return state === 'completed'
    ? { kind: 'done', value: job.returnvalue }
    : { kind: 'failed', why: job.failedReason };
}

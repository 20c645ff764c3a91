import { randomUUID } from 'node:crypto';
import { unlessAborted } from '../host/deadline.ts';
import type { QueueAddress } from './address.ts';
import { openConnection, type SharedQueue, serverFault } from './connection.ts';
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
export interface JobQueue {
  /** Throws `infra`; then some of the jobs may be there. */
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

interface QueueOptions {
  /** When it fires, calls are not waited for. */
  readonly signal?: AbortSignal;
  /** A worker that says nothing for this long has lost its job. */
  readonly lockMs?: number;
}

/**
 * Opens a queue of BullMQ over Redis or PostgreSQL for each name; the library is loaded here. A job is given to one worker at a time;
 * its lock, with a token of this process, is renewed while it runs, and only who holds it may end the job: that is the fence.
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
          const asked = Promise.all(some.map(async (id) => [id, await endOf(queue, id)] as const));
          for (const [id, end] of await unlessAborted(asked, signal)) {
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

/** A job is tried so often when the host of a worker fails; so often it may be lost with its worker. */
const attempts = 3;
const mostLosses = 5;
/** Before a job is tried again, and twice as long before the third time: another host may be free by then. */
const retryMs = 15_000;
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

/** In one call, or at the same time. */
const chunkLength = 100;

function chunksOf<T>(all: readonly T[]): readonly (readonly T[])[] {
  return Array.from({ length: Math.ceil(all.length / chunkLength) }, (_, at) =>
    all.slice(at * chunkLength, (at + 1) * chunkLength),
  );
}

async function endOf(queue: SharedQueue, id: string): Promise<JobEnd | undefined> {
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

import { randomUUID } from 'node:crypto';
import { unlessAborted } from '../host/deadline.ts';
import type { QueueAddress } from './address.ts';
import { openConnection, type SharedQueue, serverFault } from './connection.ts';
import { holdJob, type TakenJob } from './taken-job.ts';

/**
 * A job as it is put into a queue. The same job always has the same `id`; a job whose id the queue has already is not added again.
 */
export interface NewJob {
  readonly id: string;
  readonly data: unknown;
}

/**
 * How a job ended: `done` with a value, `failed`, or `lost` when the queue does not have the job: its server lost it, it was
 * never added, or it ended more than a week ago.
 */
export type JobEnd =
  | { readonly kind: 'lost' }
  | { readonly kind: 'done'; readonly value: unknown }
  | { readonly kind: 'failed'; readonly why: string };

/** A queue. All its jobs need the same of a worker's host, for example KVM. */
export interface JobQueue {
  /** Adds jobs. When it throws `infra`, some of the jobs may have been added. */
  readonly add: (jobs: readonly NewJob[]) => Promise<void>;
  /** The ends of those of the jobs that have ended or are lost, by id. */
  readonly ends: (ids: readonly string[]) => Promise<ReadonlyMap<string, JobEnd>>;
  /** Takes the next job; undefined when no job waits. */
  readonly take: () => Promise<TakenJob | undefined>;
}

/** Queues that are closed together. */
export interface OpenQueues extends AsyncDisposable {
  readonly open: ReadonlyMap<string, JobQueue>;
}

interface QueueOptions {
  /** When it fires, every call that waits rejects with its reason. Absent: calls wait for the server. */
  readonly signal?: AbortSignal;
  /** How many milliseconds a worker may go without renewing its lock before its job is given to another; absent: 30,000. */
  readonly lockMs?: number;
}

/**
 * Opens a queue of BullMQ over Redis or PostgreSQL for each name; the library is loaded here. Throws `infra` when the server does
 * not answer. A job is given to one worker at a time. The worker holds a lock on the job, marked with a token of its own, and
 * renews it while the job runs. Only the holder of the lock can end the job, so a worker that lost its lock cannot overwrite the
 * result of another worker.
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

/** How many times a job is tried when the hosts of its workers fail, and how many times it may be lost together with its worker. */
const attempts = 3;
const mostLosses = 5;
/** How many milliseconds a job waits before its second try, and twice that before its third: another host may be free by then. */
const retryMs = 15_000;
/** For how long the server keeps a job that has ended. */
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

/** How many jobs are added in one call, or asked about at the same time. */
const chunkLength = 100;

function chunksOf<T>(all: readonly T[]): readonly (readonly T[])[] {
  return Array.from({ length: Math.ceil(all.length / chunkLength) }, (_, at) =>
    all.slice(at * chunkLength, (at + 1) * chunkLength),
  );
}

async function endOf(queue: SharedQueue, id: string): Promise<JobEnd | undefined> {
  // The state is read before the job: a job that was read first might end in between, and would then be taken for done though it
  // has no result yet.
  const state = await queue.getJobState(id);
  if (state === 'unknown') return { kind: 'lost' };
  if (state !== 'completed' && state !== 'failed') return undefined;
  const job = await queue.getJob(id);
  if (job === undefined) return { kind: 'lost' };
  return state === 'completed'
    ? { kind: 'done', value: job.returnvalue }
    : { kind: 'failed', why: job.failedReason };
}

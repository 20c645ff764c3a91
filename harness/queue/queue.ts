import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Job, Queue, Worker } from 'bullmq';
import { HarnessError } from '../errors.ts';
import type { QueueAddress } from './address.ts';

/** A job as it is put into a queue. `id` is the same for the same job: a second one with it is none. */
export interface NewJob {
  readonly id: string;
  readonly data: unknown;
}

/** A job that is done, or that nobody could do. */
export type JobEnd =
  | { readonly kind: 'done'; readonly value: unknown }
  | { readonly kind: 'failed'; readonly why: string };

/** A job that this process has taken, until it says what came of it. */
export interface TakenJob extends AsyncDisposable {
  readonly data: unknown;
  /** From 1. */
  readonly attempt: number;
  /** Fires when the job is another worker's: this process was stopped, or cut off, for too long. */
  readonly lost: AbortSignal;
  /** False: the job is another worker's by now, and this result counts for nothing. */
  readonly finish: (value: unknown) => Promise<boolean>;
  /** Says nothing more of it, as if this process had been killed; for simulations. */
  readonly forget: () => void;
  /** Gives the job back; when `final`, or after the last attempt, nobody takes it again. */
  readonly fail: (why: string, final: boolean) => Promise<boolean>;
}

/** The queue of one capability. */
export interface JobQueue extends AsyncDisposable {
  readonly add: (jobs: readonly NewJob[]) => Promise<void>;
  /** The ends of those of the jobs that have one, by id. A job that the queue lost is `failed`. */
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
    for (const queue of open.values()) await queue[Symbol.asyncDispose]();
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
/** Of what came of a job, half a second apart. */
const mostTries = 60;
const keptSeconds = 7 * 24 * 60 * 60;

/**
 * Opens a queue of BullMQ over Redis or PostgreSQL; the library is loaded here. A job is given to one worker at a time; its lock,
 * with a token of this process, is renewed while it runs, and only who holds it may end the job: that is the fence.
 */
async function openQueue(name: string, address: QueueAddress, lockMs: number): Promise<JobQueue> {
  const { queue, worker } = await connect(name, address, lockMs);
  try {
    await Promise.race([queue.waitUntilReady(), refuseAfter(15_000, address)]);
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
      await Promise.allSettled([worker.close(true), queue.close()]);
    },
  };
}

/** A connection that breaks is made again by the library; a call that fails says so itself. */
function quiet<T extends NodeJS.EventEmitter>(one: T): T {
  one.on('error', () => undefined);
  return one;
}

async function connect(
  name: string,
  { kind, url }: QueueAddress,
  lockMs: number,
): Promise<{ readonly queue: Queue; readonly worker: Worker }> {
  const bull = await import('bullmq');
  const losses = { lockDuration: lockMs, stalledInterval: lockMs / 2, maxStalledCount: mostLosses };
  if (kind === 'redis') {
    const connection = { url, maxRetriesPerRequest: null };
    return {
      queue: quiet(new bull.Queue(name, { connection, prefix: 'splat' })),
      worker: quiet(
        new bull.Worker(name, null, { connection, prefix: 'splat', autorun: false, ...losses }),
      ),
    };
  }
  const { Queue: PgQueue, Worker: PgWorker } = bull.withBackend(bull.createPostgresBackend);
  const connection = { connectionString: url, schema: 'splat', migrate: true };
  return {
    queue: quiet(new PgQueue(name, { connection }) as unknown as Queue),
    worker: quiet(
      new PgWorker(name, null, { connection, autorun: false, ...losses }) as unknown as Worker,
    ),
  };
}

async function refuseAfter(ms: number, address: QueueAddress): Promise<never> {
  await sleep(ms, undefined, { ref: false });
  throw unreachable(address, new Error('no answer'));
}

function unreachable({ shown }: QueueAddress, cause: unknown): HarnessError {
  if (cause instanceof HarnessError) return cause;
  const why = cause instanceof Error ? (cause.message.split('\n')[0] ?? '') : String(cause);
  return new HarnessError('infra', `--queue ${shown}: ${why}`, { cause });
}

async function endOf(queue: Queue, id: string): Promise<JobEnd | undefined> {
  const job = await queue.getJob(id);
  if (job === undefined) return { kind: 'failed', why: 'the queue has lost it' };
  const state = await job.getState();
  if (state === 'completed') return { kind: 'done', value: job.returnvalue };
  return state === 'failed' ? { kind: 'failed', why: job.failedReason } : undefined;
}

function holdJob(job: Job, token: string, lockMs: number): TakenJob {
  const lost = new AbortController();
  let over = false;
  let renewedMs = performance.now();
  const renew = setInterval(() => {
    void job.extendLock(token, lockMs).then(
      () => {
        renewedMs = performance.now();
      },
      (error: unknown) => {
        // A server that restarts is no loss yet.
        const isOver = performance.now() - renewedMs > lockMs || isOthers(error);
        if (isOver) lost.abort(new HarnessError('infra', "the job is another worker's by now"));
      },
    );
  }, lockMs / 3);
  const end = async (work: () => Promise<unknown>): Promise<boolean> => {
    over = true;
    try {
      for (let tries = 1; ; tries++) {
        try {
          await work();
          return true;
        } catch (error) {
          if (isOthers(error)) return false;
          // A server that restarts answers soon; the lock is renewed meanwhile.
          if (tries === mostTries) throw error;
          await sleep(500);
        }
      }
    } finally {
      clearInterval(renew);
    }
  };
  return {
    data: job.data,
    attempt: job.attemptsMade + 1,
    lost: lost.signal,
    forget: () => {
      over = true;
      clearInterval(renew);
    },
    finish: async (value) => end(async () => job.moveToCompleted(value, token, false)),
    fail: async (why, final) =>
      end(async () => {
        const { UnrecoverableError } = await import('bullmq');
        await job.moveToFailed(final ? new UnrecoverableError(why) : new Error(why), token, false);
      }),
    [Symbol.asyncDispose]: async () => {
      clearInterval(renew);
      if (!over)
        await job.moveToFailed(new Error('interrupted'), token, false).catch(() => undefined);
    },
  };
}

/** BullMQ's errors for a job whose lock is not this token's (-1 the job, -2 its lock is gone, -3 not active, -6 another's). */
function isOthers(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const code = 'code' in error ? Number(error.code) : Number.NaN;
  return [-1, -2, -3, -6].includes(code) || /\block\b/i.test(error.message);
}

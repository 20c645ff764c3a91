import { setTimeout as sleep } from 'node:timers/promises';
import { HarnessError } from '../errors.ts';
import { unlessAborted } from '../host/deadline.ts';
import type { SharedJob } from './connection.ts';

/** A job that this process has taken. Disposing of it gives the job back to the queue, unless it has ended or is forgotten. */
export interface TakenJob extends AsyncDisposable {
  readonly data: unknown;
  /** The number of tries of the job so far, this try included. */
  readonly attempt: number;
  /**
   * Fires when another worker may have the job: the lock on it was not renewed in time, because this process was stopped or was
   * cut off from the server.
   */
  readonly lost: AbortSignal;
  /**
   * Ends the job with a value. Resolves to true when the server has the value. Resolves to false when another worker may have the
   * job; the value is then lost. Throws when the server cannot be reached for half a minute, and when the signal fires.
   */
  readonly finish: (value: unknown) => Promise<boolean>;
  /** Sends nothing more about the job, as if this process had been killed. Only for simulations. */
  readonly forget: () => void;
  /**
   * Ends this try of the job as failed, for the reason `why`. The job is tried again, unless `final` is true or this was the last
   * try. Resolves and throws as finish() does.
   */
  readonly fail: (why: string, final: boolean) => Promise<boolean>;
}

/** The number of tries to tell the server how a job ended. The tries are half a second apart. */
const mostTries = 60;
/** The time in milliseconds for which this process, when it gives a job back, waits for the server to take the job. */
const farewellMs = 1500;

interface Hold {
  /** The token that marks the lock of this worker on this job. */
  readonly token: string;
  /** The time that the lock lasts without renewal, in milliseconds. */
  readonly lockMs: number;
  /** When the signal fires, this process no longer tells the server how the job ended, but still gives the job back. */
  readonly signal: AbortSignal;
}

/** Renews this worker's lock on a job until the job has ended, is forgotten or is disposed of. */
export function holdJob(job: SharedJob, { token, lockMs, signal }: Hold): TakenJob {
  const lost = new AbortController();
  let over = false;
  let renewedMs = performance.now();
  const lose = (): void => {
    if (!over) lost.abort(new HarnessError('infra', 'another worker has taken the job over'));
  };
  const renew = setInterval(() => {
    const askedMs = performance.now();
    // A process that is cut off gets no answer from the server, so the time since the last renewal decides. This time also passes
    // while the process is stopped.
    if (askedMs - renewedMs > lockMs) lose();
    job.extendLock(token, lockMs).then(
      (isMine) => {
        if (isMine === 1) renewedMs = askedMs;
        else lose();
      },
      // A server that cannot be reached may be restarting, so the job is not lost yet.
      (error: unknown) => {
        if (isOthers(error)) lose();
      },
    );
  }, lockMs / 3);
  const end = async (work: () => Promise<unknown>): Promise<boolean> => {
    try {
      return await say(work, { signal, isLost: () => lost.signal.aborted });
    } finally {
      // A job whose process is interrupted is given back, so it has not ended.
      over = !signal.aborted;
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
      if (over) return;
      over = true;
      const given = job.moveToWait(token).catch(() => undefined);
      await Promise.race([given, sleep(farewellMs, undefined, { ref: false })]);
    },
  };
}

/**
 * Tells the server how a job ended. Tries again while the server cannot be reached; meanwhile the lock is renewed. Resolves to
 * false when another worker may have the job, and to true when the server was told.
 */
async function say(
  work: () => Promise<unknown>,
  { signal, isLost }: { readonly signal: AbortSignal; readonly isLost: () => boolean },
): Promise<boolean> {
  for (let tries = 1; ; tries++) {
    try {
      await unlessAborted(work(), signal);
      return true;
    } catch (error) {
      if (signal.aborted) throw error;
      if (isOthers(error) || isLost()) return false;
      if (tries === mostTries) throw error;
      await sleep(500);
    }
  }
}

/**
 * The error codes with which BullMQ says that this worker does not hold the lock on the job: the job does not exist, its lock
 * does not exist, the job is not active, another token holds the lock.
 */
const codesOfOthers = new Set([-1, -2, -3, -6]);

function isOthers(error: unknown): boolean {
  return error instanceof Error && 'code' in error && codesOfOthers.has(Number(error.code));
}

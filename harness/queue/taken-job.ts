import { setTimeout as sleep } from 'node:timers/promises';
import { HarnessError } from '../errors.ts';
import { unlessAborted } from '../host/deadline.ts';
import type { SharedJob } from './connection.ts';

/** A job that this process has taken. Disposing of it gives the job back to the queue, unless it has ended or is forgotten. */
export interface TakenJob extends AsyncDisposable {
  readonly data: unknown;
  /** The number of this try, from 1. */
  readonly attempt: number;
  /**
   * Fires when another worker may have the job. This happens when the lock was not renewed in time, because this process was
   * stopped or was cut off from the server.
   */
  readonly lost: AbortSignal;
  /**
   * Ends the job with a value. Resolves to false, and the value counts for nothing, when another worker may have the job by now.
   * Throws when the server cannot be reached for half a minute, or when the signal fires.
   */
  readonly finish: (value: unknown) => Promise<boolean>;
  /** Sends nothing more about the job, as if this process had been killed. It is for simulations. */
  readonly forget: () => void;
  /**
   * Ends this try as failed. With `final`, or after the last try, the job is not tried again. Resolves and throws as finish()
   * does.
   */
  readonly fail: (why: string, final: boolean) => Promise<boolean>;
}

/** How many times, half a second apart, this process tries to tell the server how a job ended. */
const mostTries = 60;
/** How many milliseconds a process that ends waits for the server to take a job back. */
const farewellMs = 1500;

interface Hold {
  /** The token that marks the lock of this worker on this job. */
  readonly token: string;
  /** How many milliseconds the lock lasts without renewal. */
  readonly lockMs: number;
  /** When it fires, the server is told nothing more about the job, except that it is given back. */
  readonly signal: AbortSignal;
}

/** Renews the lock of a job until the job has ended, is forgotten or is disposed of. */
export function holdJob(job: SharedJob, { token, lockMs, signal }: Hold): TakenJob {
  const lost = new AbortController();
  let over = false;
  let renewedMs = performance.now();
  const lose = (): void => {
    if (!over) lost.abort(new HarnessError('infra', 'another worker has taken the job over'));
  };
  const renew = setInterval(() => {
    const askedMs = performance.now();
    // A process that is cut off gets no answer from the server, so only the time can tell. The time also passes while this
    // process is stopped.
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
 * Tells the server how a job ended, again and again while the server cannot be reached; the lock is renewed in the meantime.
 * Resolves to false when another worker has the job.
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
 * BullMQ's error codes for a job whose lock this token does not hold: the job does not exist, its lock does not exist, the job is
 * not active, another token holds the lock.
 */
const codesOfOthers = new Set([-1, -2, -3, -6]);

function isOthers(error: unknown): boolean {
  return error instanceof Error && 'code' in error && codesOfOthers.has(Number(error.code));
}

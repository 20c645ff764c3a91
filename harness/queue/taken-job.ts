import { setTimeout as sleep } from 'node:timers/promises';
import { HarnessError } from '../errors.ts';
import { unlessAborted } from '../host/deadline.ts';
import type { SharedJob } from './connection.ts';

/** A job that this process has taken, until it says what came of it. Disposed before, it is given back. */
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
  /** One attempt is over; when `final`, or after the last attempt, nobody takes the job again. */
  readonly fail: (why: string, final: boolean) => Promise<boolean>;
}

/** Of what came of a job, half a second apart. */
const mostTries = 60;
/** To give a job back, when the process ends. */
const farewellMs = 1500;

interface Hold {
  /** Of this taking. */
  readonly token: string;
  readonly lockMs: number;
  /** When it fires, nothing more is said of the job but that it is given back. */
  readonly signal: AbortSignal;
}

/** Renews the lock of a job until it is over. */
export function holdJob(job: SharedJob, { token, lockMs, signal }: Hold): TakenJob {
  const lost = new AbortController();
  let over = false;
  let renewedMs = performance.now();
  const lose = (): void => {
    if (!over) lost.abort(new HarnessError('infra', 'another worker has taken the job over'));
  };
  const renew = setInterval(() => {
    const askedMs = performance.now();
    // No answer at all: who is cut off is told nothing. The clock goes on while this process is stopped.
    if (askedMs - renewedMs > lockMs) lose();
    job.extendLock(token, lockMs).then(
      (isMine) => {
        if (isMine === 1) renewedMs = askedMs;
        else lose();
      },
      // A server that restarts is no loss yet.
      (error: unknown) => {
        if (isOthers(error)) lose();
      },
    );
  }, lockMs / 3);
  const end = async (work: () => Promise<unknown>): Promise<boolean> => {
    try {
      return await say(work, { signal, isLost: () => lost.signal.aborted });
    } finally {
      // Who is interrupted gives it back.
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

/** Tells the server what came of a job, which may restart meanwhile; the lock is renewed. False: the job is another worker's. */
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

/** BullMQ's codes for a job whose lock is not this token's: the job is gone, its lock is, it is not active, it is another's. */
const codesOfOthers = new Set([-1, -2, -3, -6]);

function isOthers(error: unknown): boolean {
  return error instanceof Error && 'code' in error && codesOfOthers.has(Number(error.code));
}

/** The most milliseconds that setTimeout() takes, about 24 days. With a longer time, setTimeout() calls back at once. */
const longestMs = 2 ** 31 - 1;

/**
 * Calls `onOver` once, when `ms` milliseconds have passed or when the signal fires, unless the deadline is disposed first. `ms` may
 * be any number, even Infinity. If the signal has fired already, `onOver` is called soon after startDeadline() returns. This
 * function replaces `AbortSignal.any([signal, AbortSignal.timeout(ms)])`: Node 20 can collect the timeout of such a combination as
 * garbage, and then the combination never fires.
 */
export function startDeadline(signal: AbortSignal, ms: number, onOver: () => void): Disposable {
  let isRunning = true;
  const over = (): void => {
    if (!isRunning) return;
    stop();
    onOver();
  };
  const startTimer = (leftMs: number): NodeJS.Timeout =>
    leftMs <= longestMs
      ? setTimeout(over, leftMs)
      : setTimeout(() => (timer = startTimer(leftMs - longestMs)), longestMs);
  let timer = startTimer(ms);
  const stop = (): void => {
    isRunning = false;
    clearTimeout(timer);
    signal.removeEventListener('abort', over);
  };
  signal.addEventListener('abort', over, { once: true });
  // The call is delayed, because the caller does not have the deadline yet that `onOver` may dispose.
  if (signal.aborted) queueMicrotask(over);
  return { [Symbol.dispose]: stop };
}

/** Resolves after `ms` milliseconds, or sooner when the signal fires; never rejects. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => void startDeadline(signal, ms, resolve));
}

/**
 * Settles as `work` does, or rejects with the signal's reason when the signal fires first. Use this function for work that cannot
 * be interrupted: after the signal the work goes on, and its result is dropped.
 */
export async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const over = (): void => reject(signal.reason as Error);
    if (signal.aborted) over();
    signal.addEventListener('abort', over, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', over));
  });
}

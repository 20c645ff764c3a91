/**
 * Calls `onOver` once when the time is up or the signal fires, unless disposed before. Used instead of
 * `AbortSignal.any([signal, AbortSignal.timeout(ms)])`: on Node 20 the timeout of such a combination can be garbage
 * collected before it fires, and then it never fires.
 */
export function startDeadline(signal: AbortSignal, ms: number, onOver: () => void): Disposable {
  const over = (): void => {
    stop();
    onOver();
  };
  const timer = setTimeout(over, ms);
  const stop = (): void => {
    clearTimeout(timer);
    signal.removeEventListener('abort', over);
  };
  signal.addEventListener('abort', over, { once: true });
  // Not at once: the caller does not yet have the value that it disposes.
  if (signal.aborted) queueMicrotask(over);
  return { [Symbol.dispose]: stop };
}

/** Waits `ms` milliseconds or until the signal fires; never rejects. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => void startDeadline(signal, ms, resolve));
}

/** What `work` gives, or a rejection when the signal fires before: for calls that cannot be interrupted themselves. */
export async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const over = (): void => reject(signal.reason as Error);
    if (signal.aborted) over();
    signal.addEventListener('abort', over, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', over));
  });
}

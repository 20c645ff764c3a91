/**
 * Calls `onOver` once, when the time is up or when the signal fires, unless the deadline is disposed before. It is used instead of
 * `AbortSignal.any([signal, AbortSignal.timeout(ms)])`: Node 20 can collect the timeout of such a combination as garbage, and then
 * it never fires.
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
  // The call is delayed, because the caller does not have the value yet that it disposes.
  if (signal.aborted) queueMicrotask(over);
  return { [Symbol.dispose]: stop };
}

/** Waits `ms` milliseconds or until the signal fires; never rejects. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => void startDeadline(signal, ms, resolve));
}

/**
 * Resolves to the result of `work`, or rejects when the signal fires first. It is for calls that cannot be interrupted themselves.
 */
export async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const over = (): void => reject(signal.reason as Error);
    if (signal.aborted) over();
    signal.addEventListener('abort', over, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', over));
  });
}

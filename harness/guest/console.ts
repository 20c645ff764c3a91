import { open } from 'node:fs/promises';
import { pause, startDeadline } from '../host/deadline.ts';

/**
 * Follows the file to which QEMU writes the console. The follower only reads the file, which stays the complete record. Disposing
 * of the follower first reads the rest of the file.
 */
export interface ConsoleFollower extends AsyncDisposable {
  /** The number of bytes read so far. */
  readonly bytes: () => number;
  /**
   * Returns the time at which the last byte was read, in milliseconds on the clock of performance.now(). Before the first byte,
   * returns the time at which the follower was opened.
   */
  readonly lastByteAtMs: () => number;
  /** Resolves when everything that the file contains now was read. */
  readonly catchUp: () => Promise<void>;
  /**
   * Resolves to true as soon as the console prints `text` after this call, even if two reads each have a part of `text`. Resolves
   * to false when the time is over or the signal fires.
   */
  readonly waitFor: (text: string, timeoutMs: number, signal: AbortSignal) => Promise<boolean>;
}

/**
 * The time between two reads, in milliseconds. 20 reads of an idle file per second take no measurable time beside an emulated
 * machine.
 */
const pollMs = 50;
const readBytes = 1 << 18;

/** Begins to follow the file `path`, which must exist. `onBytes` gets every byte once, in order. */
export async function followConsole(
  path: string,
  onBytes: (bytes: Uint8Array) => void,
): Promise<ConsoleFollower> {
  const file = await open(path, 'r');
  const stop = new AbortController();
  const buffer = Buffer.alloc(readBytes);
  const awaited = new Set<Awaited>();
  let bytes = 0;
  let lastByteAtMs = performance.now();
  let carry = Buffer.alloc(0);
  let reading: Promise<void> = Promise.resolve();

  const readOnce = async (): Promise<void> => {
    for (;;) {
      const { bytesRead } = await file.read(buffer, 0, readBytes, bytes);
      if (bytesRead === 0) return;
      bytes += bytesRead;
      lastByteAtMs = performance.now();
      const chunk = Buffer.from(buffer.subarray(0, bytesRead));
      onBytes(chunk);
      carry = notify(awaited, carry, chunk);
    }
  };
  // Reads follow one another, because two reads at the same time would get the same bytes.
  const catchUp = async (): Promise<void> => {
    reading = reading.then(readOnce);
    return reading;
  };
  const loop = (async () => {
    while (!stop.signal.aborted) {
      await catchUp();
      await pause(pollMs, stop.signal);
    }
  })();
  // A file that cannot be read, or a reader that throws, is reported where the follower is awaited.
  loop.catch(() => undefined);

  return {
    bytes: () => bytes,
    lastByteAtMs: () => lastByteAtMs,
    catchUp,
    waitFor: async (text, timeoutMs, signal) => waitForText(awaited, text, timeoutMs, signal),
    async [Symbol.asyncDispose]() {
      if (stop.signal.aborted) return;
      stop.abort();
      try {
        await loop;
        await catchUp();
      } finally {
        await file.close();
      }
    },
  };
}

/** A text that a call of waitFor() waits for. */
interface Awaited {
  readonly text: string;
  readonly wake: () => void;
}

/**
 * Wakes every call of waitFor() whose text is complete now. Returns the end of the input, in which another text may have begun;
 * this end is empty when no call waits.
 */
function notify(awaited: ReadonlySet<Awaited>, carry: Buffer, chunk: Buffer): Buffer<ArrayBuffer> {
  if (awaited.size === 0) return Buffer.alloc(0);
  const seen = Buffer.concat([carry, chunk]);
  for (const { text, wake } of awaited) {
    if (seen.includes(text)) wake();
  }
  const longest = Math.max(...[...awaited].map(({ text }) => text.length));
  return Buffer.from(seen.subarray(Math.max(0, seen.length - longest)));
}

async function waitForText(
  awaited: Set<Awaited>,
  text: string,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<boolean> {
  return new Promise<boolean>((resolve) => {
    const settle = (found: boolean): void => {
      awaited.delete(mine);
      resolve(found);
    };
    // biome-ignore lint/nursery/useDisposables: disposed when the text has passed
    const deadline = startDeadline(signal, timeoutMs, () => settle(false));
    const wake = (): void => {
      deadline[Symbol.dispose]();
      settle(true);
    };
    const mine: Awaited = { text, wake };
    awaited.add(mine);
  });
}

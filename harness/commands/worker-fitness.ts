import { pause } from '../host/deadline.ts';
import { freeDiskMib } from '../host/disk.ts';

/**
 * Decides when a worker may take its next job. After a failure of its host, the worker waits for a while and leaves the jobs to
 * other workers.
 */
export interface Fitness {
  /** Waits until this host can take a job, or until the signal fires. Reports the reason for the wait. */
  readonly wait: (signal: AbortSignal) => Promise<void>;
  readonly succeeded: () => void;
  readonly failed: () => void;
}

/** The free disk space, in MiB, below which a worker takes no job. A run and its results need less. */
const leastFreeMib = 512;
const lookAgainMs = 10_000;
/**
 * The time that a worker waits after a failure of its host, in milliseconds. The wait doubles with each further failure in a row,
 * up to `longestRestMs`.
 */
const restMs = 30_000;
const longestRestMs = 600_000;

/** Returns the Fitness of a worker that writes to `folders`; `say` gets a line about each wait. */
export function openFitness(folders: readonly string[], say: (line: string) => void): Fitness {
  let failures = 0;
  let rested = true;
  return {
    wait: async (signal) => {
      if (!rested) {
        const ms = Math.min(longestRestMs, restMs * 2 ** (failures - 1));
        say(`this host has failed ${failures} times in a row; it takes no job for ${ms / 1000} s`);
        await pause(ms, signal);
        rested = true;
      }
      let said = false;
      while (!signal.aborted) {
        const full = await fullFolder(folders);
        if (full === undefined) return;
        if (!said) say(`${full}; this worker takes no job until there is room`);
        said = true;
        await pause(lookAgainMs, signal);
      }
    },
    succeeded: () => {
      failures = 0;
    },
    failed: () => {
      failures += 1;
      rested = false;
    },
  };
}

async function fullFolder(folders: readonly string[]): Promise<string | undefined> {
  for (const folder of folders) {
    const mib = await freeDiskMib(folder);
    if (mib < leastFreeMib) return `${folder}: ${mib} MiB are free`;
  }
  return undefined;
}

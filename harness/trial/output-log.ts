import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { explainDiskError } from '../host/disk.ts';

/** Writes the output of a workload to a file, and keeps parts of it in memory. */
export interface OutputLog {
  /** Writes output of stderr. */
  readonly write: (bytes: Uint8Array) => void;
  /** Writes output of stdout, and keeps the first 4 MiB of it for stdout(). */
  readonly writeStdout: (bytes: Uint8Array) => void;
  /** Returns the first 4 MiB of stdout, as latin1. */
  readonly stdout: () => string;
  /** Returns the last 4,096 bytes of stdout and stderr together, as latin1, even when the file is full. */
  readonly lastWords: () => string;
  /** Closes the file. Throws when the file could not be opened or a write failed. */
  readonly close: () => Promise<void>;
}

const keptBytes = 16 * 1024 * 1024;
const lastWordsChars = 4096;
const keptStdoutBytes = 4 * 1024 * 1024;

/** Opens the log of a workload's output at `path`. The file gets the first 16 MiB of the output and nothing after that. */
export function openOutputLog(path: string): OutputLog {
  const file = createWriteStream(path);
  let failure: unknown;
  // Without a listener for errors, a full disk would end the process.
  file.on('error', (error) => {
    failure = error;
  });
  let bytes = 0;
  let lastWords = '';
  const stdout: Uint8Array[] = [];
  let stdoutBytes = 0;
  const write = (chunk: Uint8Array): void => {
    lastWords = (lastWords + Buffer.from(chunk).toString('latin1')).slice(-lastWordsChars);
    if (bytes < keptBytes) file.write(chunk.subarray(0, keptBytes - bytes));
    bytes += chunk.length;
  };
  return {
    write,
    writeStdout: (chunk) => {
      if (stdoutBytes < keptStdoutBytes)
        stdout.push(chunk.subarray(0, keptStdoutBytes - stdoutBytes));
      stdoutBytes += chunk.length;
      write(chunk);
    },
    stdout: () => Buffer.concat(stdout).toString('latin1'),
    lastWords: () => lastWords,
    close: async () => {
      file.end();
      if (failure === undefined)
        await Promise.race([once(file, 'close'), once(file, 'error')]).catch(() => undefined);
      if (failure !== undefined) throw explainDiskError(failure, path);
    },
  };
}

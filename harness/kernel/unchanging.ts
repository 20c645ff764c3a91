import { HarnessError } from '../errors.ts';

/** The number of attempts to copy files that change during the copy. */
const attempts = 4;

/**
 * Thrown when copied bytes do not have the digest under which the copy would be stored: the files were changed after they
 * were digested.
 */
export class ChangedWhileRead extends Error {
  override readonly name = 'ChangedWhileRead';
}

/**
 * Runs `attempt`, which digests the user's files and stores a copy of them under the digest. When `attempt` throws
 * ChangedWhileRead, it is run again with `isAgain`, up to four times in all. Throws `infra` when the files change during each
 * attempt; the message calls the files `what`.
 */
export async function whileUnchanging<T>(
  what: string,
  attempt: (isAgain: boolean) => Promise<T>,
): Promise<T> {
  let cause: unknown;
  for (let count = 0; count < attempts; count += 1) {
    try {
      return await attempt(count > 0);
    } catch (error) {
      if (!(error instanceof ChangedWhileRead)) throw error;
      cause = error;
    }
  }
  const message = `${what} changes while it is read: it was copied ${attempts} times, and never as it was read before; try again when nothing writes to it`;
  throw new HarnessError('infra', message, { cause });
}

import { HarnessError } from '../errors.ts';

/** The largest number of attempts to read and copy files that change meanwhile. */
const attempts = 4;

/** Thrown when the copied bytes do not have the digest under which the copy would be stored: the files were changed in between. */
export class ChangedWhileRead extends Error {
  override readonly name = 'ChangedWhileRead';
}

/**
 * Runs `attempt`, which digests files of the user and stores a copy of the files under the digest. When `attempt` throws
 * ChangedWhileRead, runs it again with `isAgain`. Throws `infra` after four attempts in all; `what` names the files in the message.
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

import { HarnessError } from '../errors.ts';

/** How often files that change while they are copied are read again from the beginning. */
const attempts = 4;

/**
 * Thrown when the bytes that were copied are not those of the digest under which the copy would be stored: the files were changed
 * in between.
 */
export class ChangedWhileRead extends Error {
  override readonly name = 'ChangedWhileRead';
}

/**
 * Runs `attempt`, which digests files of the user and stores a copy of them under the digest. While it throws ChangedWhileRead,
 * it is run again, up to four times in all, with `isAgain`. `what` names the files for the error. Throws `infra` when they never
 * stay the same for one attempt.
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

import { isHarnessError } from '../../errors.ts';
import type { NightWork } from './run-machine.ts';

/**
 * Runs work that is not in the plan of a night, such as a bisection. When the work fails or the night's budget is spent, a note
 * says so and undefined is returned. Throws only when the user interrupts the night.
 */
export async function despiteFaults<T>(
  work: Pick<NightWork, 'isSpent' | 'emit'>,
  what: string,
  run: () => Promise<T>,
): Promise<T | undefined> {
  try {
    return await run();
  } catch (error) {
    if (isHarnessError(error, 'interrupted') && !work.isSpent()) throw error;
    const why = error instanceof Error ? error.message : String(error);
    work.emit({ kind: 'note', text: `${what}: ${why}` });
    return undefined;
  }
}

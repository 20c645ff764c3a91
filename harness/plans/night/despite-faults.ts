import { isHarnessError } from '../../errors.ts';
import type { NightWork } from './run-machine.ts';

/**
 * Runs trials that are not in the plan. When they fail, a note says so and the night goes on; only an interruption by the user is
 * thrown. Resolves to undefined when they failed or the budget ran out.
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

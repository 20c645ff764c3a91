import { isHarnessError } from '../../errors.ts';
import type { NightWork } from './run-machine.ts';

/**
 * Runs trials that are not of the plan. Their failure is told, and the night goes on; only an interruption is thrown. Undefined:
 * they failed, or the budget was spent.
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

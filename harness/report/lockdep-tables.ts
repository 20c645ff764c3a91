import type { TrialResult } from '../records/trial.ts';
import { plain } from './plain.ts';

/** The share of a lockdep table that must be in use before a run names the table. A full table turns lockdep off. */
const toldShare = 0.7;

/**
 * Returns lines about the lockdep tables that were nearly full at the end of a trial. Each line names the trial in which the table
 * was fullest. Usually the list is empty: a run uses some 600 of 8,192 classes.
 */
export function fullTableLines(
  trials: readonly Pick<TrialResult, 'id' | 'ledger'>[],
): readonly string[] {
  const peaks = new Map<
    string,
    { readonly id: string; readonly used: number; readonly max: number }
  >();
  for (const { id, ledger } of trials) {
    for (const [name, { used, max }] of Object.entries(ledger.after?.tables ?? {})) {
      if (used / max > (peaks.get(name)?.used ?? 0) / max) peaks.set(name, { id, used, max });
    }
  }
  return [...peaks].flatMap(([name, { id, used, max }]) =>
    used / max > toldShare
      ? [
          `lockdep's table of ${plain(name)} was ${Math.round((100 * used) / max)} % full in ${plain(id)} (${used} of ${max})`,
        ]
      : [],
  );
}

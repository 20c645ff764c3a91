import { HarnessError } from '../../errors.ts';
import type { Emit } from '../../events.ts';
import type { SeriesLog } from './facts.ts';
import { type Recall, recallTrials } from './previous.ts';
import type { SeriesInputs } from './request.ts';

/**
 * Throws `usage` when the trials of a journal were made with another setting. Such trials prove nothing together with new trials.
 */
export function requireSetting(log: SeriesLog, setting: string, dir: string): void {
  if (log.facts.every((fact) => fact.kind !== 'setting' || fact.key === setting)) return;
  throw new HarnessError(
    'usage',
    `${dir} holds trials of another version of splat, which do not count together with new ones; name a new folder with --out`,
  );
}

/**
 * Finds the trials of the earlier version of the series that can be reused. `setting` is a digest of what decides a trial besides
 * its kernel. This function writes `setting` to the journal, unless it is there. Returns undefined without an earlier version and,
 * with a note, when that version had another setting.
 */
export async function openRecall(
  setting: string,
  {
    inputs,
    log,
    emit,
  }: { readonly inputs: SeriesInputs; readonly log: SeriesLog; readonly emit: Emit },
): Promise<Recall | undefined> {
  if (!log.facts.some(({ kind }) => kind === 'setting')) {
    await log.append({ kind: 'setting', key: setting });
  }
  const { previous } = inputs;
  const recall = previous === undefined ? undefined : recallTrials(previous, setting);
  if (previous !== undefined && recall === undefined) {
    const why = 'was tried in another way (workloads, guest, seed or splat)';
    emit({ kind: 'note', text: `${previous.run} ${why}: its trials do not count` });
  }
  return recall;
}

import type { TrialOutcome } from '../../records/bisect-journal.ts';
import type { SplatCount } from '../../records/finding.ts';
import type { TrialResult } from '../../records/trial.ts';
import { silenceTitle } from '../../trial/runner.ts';
import type { WorkloadEnd } from '../../verdict.ts';

type Named = Pick<SplatCount, 'title' | 'altTitles' | 'signature'>;

/** True when the splat is the one sought: `text` is its full signature or a part of one of its titles. */
export function isSought(splat: Named, text: string): boolean {
  return (
    splat.signature === text ||
    [splat.title, ...splat.altTitles].some((title) => title.includes(text))
  );
}

/** The splats of a trial; silence is on no console and known by its title alone. */
export function splatsOf(trial: TrialResult): readonly Named[] {
  const { verdict, splats } = trial;
  const title = silenceTitle(trial);
  if (verdict.kind !== 'splat' || !verdict.titles.includes(title)) return splats;
  return [...splats, { title, altTitles: [], signature: '' }];
}

/** A workload that was killed, hung or failed after another splat may not have got to the one sought. */
function isWholeRun(end: WorkloadEnd): boolean {
  return (end.kind === 'exit' && end.code === 0) || end.kind === 'stopped';
}

/**
 * What a trial says of the splat that is sought. Silence counts only when it would have been heard: after another splat
 * that left the detectors alive, and the workload to its end, it does; from a blind or unexercised guest it does not.
 */
export function outcomeOf(trial: TrialResult, text: string): TrialOutcome {
  const splats = splatsOf(trial);
  if (splats.some((splat) => isSought(splat, text))) return 'hit';
  if (trial.verdict.kind === 'clean') return 'miss';
  return trial.verdict.kind === 'splat' && couldBeHeard(trial) ? 'miss' : 'void';
}

/** Of a trial with a splat, whether another would have been heard, too: alive detectors, a whole console, the workload's end. */
export function couldBeHeard({
  ledger,
  witnesses,
  end,
}: Pick<TrialResult, 'ledger' | 'witnesses' | 'end'>): boolean {
  const { deadBefore, deadAfter, incomplete, after } = ledger;
  const exercised = Object.values(witnesses).every((count) => count > 0);
  const heard = [deadBefore, deadAfter, incomplete].every((reasons) => reasons.length === 0);
  return heard && exercised && after !== null && end !== null && isWholeRun(end);
}

import type { TrialOutcome } from '../../records/bisect-journal.ts';
import type { SplatCount } from '../../records/finding.ts';
import type { TrialResult } from '../../records/trial.ts';
import { silenceTitle } from '../../trial/runner.ts';
import type { WorkloadEnd } from '../../verdict.ts';

type Named = Pick<SplatCount, 'title' | 'altTitles' | 'signature'>;

/** True when `text` is the full signature of a splat, or a part of one of the splat's titles. */
export function isTargetSplat(splat: Named, text: string): boolean {
  return (
    splat.signature === text ||
    [splat.title, ...splat.altTitles].some((title) => title.includes(text))
  );
}

/**
 * Returns the splats of a trial. A guest that was silent repeatedly counts as a splat, whose signature is empty because no console
 * line shows the splat.
 */
export function splatsOf(trial: TrialResult): readonly Named[] {
  const { verdict, splats } = trial;
  const title = silenceTitle(trial);
  if (verdict.kind !== 'splat' || !verdict.titles.includes(title)) return splats;
  return [...splats, { title, altTitles: [], signature: '' }];
}

/**
 * True when a workload ended by itself with exit code 0, and when a user's program ran for its whole time. Any other workload may
 * have ended before it reached the bug.
 */
function isWholeRun(end: WorkloadEnd): boolean {
  return (end.kind === 'exit' && end.code === 0) || end.kind === 'stopped';
}

/**
 * Returns what a trial says about the splat `text`. `hit`: the trial showed the splat. `miss`: the trial could have shown the splat
 * but did not. `void`: the trial could not have shown the splat. A trial with only another splat is a `miss` if couldShowSplat() is
 * true. An inconclusive trial without the splat is `void`.
 */
export function outcomeOf(trial: TrialResult, text: string): TrialOutcome {
  const splats = splatsOf(trial);
  if (splats.some((splat) => isTargetSplat(splat, text))) return 'hit';
  if (trial.verdict.kind === 'clean') return 'miss';
  return trial.verdict.kind === 'splat' && couldShowSplat(trial) ? 'miss' : 'void';
}

/**
 * For a trial with a splat: true when the trial could also have shown a second splat. The detectors must be alive, the console
 * complete, all witnesses non-zero, and the workload must have run to its end.
 */
export function couldShowSplat({
  ledger,
  witnesses,
  end,
}: Pick<TrialResult, 'ledger' | 'witnesses' | 'end'>): boolean {
  const { deadBefore, deadAfter, incomplete, after } = ledger;
  const exercised = Object.values(witnesses).every((count) => count > 0);
  const heard = [deadBefore, deadAfter, incomplete].every((reasons) => reasons.length === 0);
  return heard && exercised && after !== null && end !== null && isWholeRun(end);
}

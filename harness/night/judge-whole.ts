import type { CellClass, NightItem } from '../records/night.ts';
import type { Untestable, Verdict } from '../records/verdict.ts';
import { inconclusive, isNotRun, verdictPhrase, worstVerdict } from '../verdict.ts';
import { type CellInput, type CellPast, type NightContext, rangeOf } from './cell-items.ts';
import type { JudgedTrial } from './judge-trial.ts';

/**
 * The judgement on a cell (one combination of kernel, guest and workload) as a whole. The cell's splats have judgements of their
 * own (judge-issue.ts).
 */
interface Whole {
  readonly class: CellClass;
  readonly verdict: Verdict;
  readonly because?: string;
  /** The further fields of the night's item about the cell. */
  readonly details?: Partial<NightItem>;
}

/** True when a cell has neither a trial nor a splat of its boots in this night. */
export function isUnseen({ trials, bootSplats }: CellInput): boolean {
  return trials.length === 0 && bootSplats.length === 0;
}

/** Judges what a night says about a cell as a whole: whether its kernel can be tested, and what its trials prove. */
export function judgeWhole(
  input: CellInput,
  past: CellPast,
  trials: readonly JudgedTrial[],
  { workloadsNamed }: NightContext,
): Whole {
  if (input.untestable !== undefined) return judgeUntestable(input.untestable, input, past);
  if (isUnseen(input)) return judgeAbsent(input, past);
  return judgeTrials(input, past, trials, workloadsNamed);
}

/** Judges what the trials of a cell prove. */
function judgeTrials(
  input: CellInput,
  past: CellPast,
  trials: readonly JudgedTrial[],
  workloadsNamed: boolean,
): Whole {
  const { planned, failure, cutShort, missedControls } = input;
  const sighted = trials.filter(({ blindBy }) => blindBy.length === 0);
  const isBlind = trials.length > 0 && sighted.length === 0;
  const verdict = worstVerdict((sighted.length > 0 ? sighted : trials).map((one) => one.verdict));
  if (failure !== undefined) {
    return { class: 'infrastructure', verdict, because: failure.message };
  }
  if (verdict.kind === 'splat') return { class: 'clean', verdict };
  const missing = planned - trials.length;
  if (missing > 0) {
    const because = `${missing} of ${planned} trials have no result`;
    if (cutShort) return { class: 'notRun', verdict, because: 'the budget is spent' };
    return { class: 'inconclusive', verdict: inconclusive('not-run', because), because };
  }
  // A known splat at boot also ends the detectors of the controls, which run in copies of the same boot.
  const isDeadAtBoot = isBlind && trials.every(({ facts }) => facts.deadBefore.length > 0);
  if (missedControls.length > 0 && !isDeadAtBoot) {
    const because = `a canary was missed: ${missedControls.join('; ')}`;
    return { class: 'inconclusive', verdict: inconclusive('canary-missed', because), because };
  }
  if (trials.length > 0 && trials.every((one) => isNotRun(one.verdict))) {
    return judgeNotThere(verdict, past, workloadsNamed);
  }
  if (isBlind) {
    const ended = isDeadAtBoot ? 'the detectors at boot' : 'every trial';
    return { class: 'known', verdict, because: `blind: a known splat ended ${ended}` };
  }
  return judgeProof(verdict, past);
}

/**
 * Judges a cell whose kernel does not build or boot. Such a cell may still have trials: when the host fails or a night is killed,
 * the kernel boots again for the other trials, and this boot may fail.
 */
function judgeUntestable(
  untestable: Untestable,
  input: CellInput,
  { last, tested }: CellPast,
): Whole {
  const phrase = verdictPhrase(untestable);
  if (last?.verdict === 'untestable' && last.because === untestable.because) {
    const because = `still ${phrase}, as on ${last.night}`;
    return { class: 'inconclusive', verdict: untestable, because };
  }
  const { isForward, isForwardSinceTested = isForward } = input;
  const range = rangeOf(input, tested, isForwardSinceTested);
  const because = `${phrase}: ${untestable.message}`;
  return { class: 'broken', verdict: untestable, because, details: { range } };
}

/** Judges a cell that has no trial and no splat in this night, although its kernel did not fail to build or boot. */
function judgeAbsent({ failure, planned, cutShort }: CellInput, { tested }: CellPast): Whole {
  if (failure !== undefined) {
    return notTried('infrastructure', failure.message, { log: failure.log });
  }
  if (planned === 0 || cutShort) return notTried('notRun', 'the budget is spent');
  const before = tested === undefined ? {} : { lastSeen: tested.night };
  return notTried('disappeared', `none of ${planned} trials has a result`, before);
}

function notTried(kind: CellClass, because: string, details: Partial<NightItem> = {}): Whole {
  return { class: kind, verdict: inconclusive('not-run', because), because, details };
}

/** Judges a cell whose workload reported in every trial that it cannot run on this kernel. */
function judgeNotThere(verdict: Verdict, { tried }: CellPast, workloadsNamed: boolean): Whole {
  const because = 'message' in verdict ? verdict.message : '';
  if (tried?.ran === true) {
    const gone = `it ran on ${tried.night}, and does not now: ${because}`;
    return { class: 'inconclusive', verdict, because: gone };
  }
  return { class: workloadsNamed ? 'inconclusive' : 'notThere', verdict, because };
}

/** Judges a cell with a result for every planned trial, no new splat, and at least one trial that is not blind. */
function judgeProof(verdict: Verdict, { last }: CellPast): Whole {
  if (verdict.kind === 'inconclusive') {
    const because = `${verdictPhrase(verdict)}: ${verdict.message}`;
    return { class: 'inconclusive', verdict, because };
  }
  if (last?.verdict === 'untestable') {
    const because = `untestable: ${last.because} until ${last.night}`;
    return { class: 'repaired', verdict, because };
  }
  return { class: 'clean', verdict };
}

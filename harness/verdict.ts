/** The verdict on a trial, a kernel, a patch or a night, and the function that decides it. No I/O. */

import type { Inconclusive, InconclusiveCause, Verdict, WorkloadEnd } from './records/verdict.ts';

export type { PatchVerdict, Untestable, Verdict, WorkloadEnd } from './records/verdict.ts';

/**
 * The facts on which the verdict of a trial depends. Three facts are required, so that `clean` is impossible without them: the
 * ledger (the health of the detectors), the witnesses (counters of the code under test), and the end of the workload.
 */
export interface TrialEvidence {
  /**
   * The titles of the splats of this trial that count, in order. A known splat counts only when the trial is a canary (has a seeded
   * bug) that must produce this splat. A lost guest, corrupted data and a leak are splats, too.
   */
  readonly splats: readonly string[];
  /** The reasons why a detector was dead before the workload began. An empty list when all detectors were alive. */
  readonly deadBefore: readonly string[];
  /**
   * The reasons why a detector was dead at the end of the trial. An empty list when all detectors were alive, and when the guest
   * was gone by then.
   */
  readonly deadAfter: readonly string[];
  /**
   * The reasons why the console may lack lines. An empty list when the console is complete, and when the guest was gone at the end.
   */
  readonly incomplete: readonly string[];
  /** The witnesses (counters that prove that the code ran) that must not be zero, each with its count. */
  readonly witnesses: Readonly<Record<string, number>>;
  /**
   * The required witnesses that this kernel cannot count and that therefore cannot show whether the code ran. Absent when the
   * kernel can count all required witnesses.
   */
  readonly absentWitnesses?: readonly string[];
  /**
   * Failed tests of the workload that were not expected to fail, for example `kms_atomic@x: fail`. Absent: no test failed
   * unexpectedly, or the workload is no test suite.
   */
  readonly failures?: readonly string[];
  readonly end: WorkloadEnd;
  /**
   * For a canary, a trial with a seeded bug: the titles of all splats that the canary must produce. No other splat may appear.
   * Absent for every other trial.
   */
  readonly expected?: readonly string[];
  /** Set for a canary, a trial with a seeded bug, whose splats end its guest. */
  readonly endsGuest?: true;
}

/**
 * Returns the verdict on one trial. The verdict is `splat` for an unexpected splat, unless the console lost lines and a canary's
 * seeded splat is missing. Otherwise the verdict is `inconclusive` with the first of these causes that applies: blind, not-run,
 * hung, unexercised, canary-missed, workload-failed. Otherwise the verdict is `clean`. A guest that hung has no counters, so its
 * trial is never `unexercised`.
 */
export function judgeTrial(evidence: TrialEvidence): Verdict {
  const expected = evidence.expected ?? [];
  const unexpected = unique(evidence.splats.filter((title) => !expected.includes(title)));
  const missing = expected.filter((title) => !evidence.splats.includes(title));
  // When lines of the console were lost, the seeded splat may have got any title.
  const garbled = missing.length > 0 && evidence.incomplete.length > 0;
  if (unexpected.length > 0 && !garbled) return { kind: 'splat', titles: unexpected };
  // A canary's own splat turns lockdep off, so a detector that is dead afterwards proves nothing against the canary.
  const spoke = expected.length > 0 && missing.length === 0;
  const dead = [
    ...evidence.deadBefore,
    ...evidence.incomplete,
    ...(spoke ? [] : evidence.deadAfter),
  ];
  if (dead.length > 0) return inconclusive('blind', dead.join('; '));
  // A workload that did not run need not count its witnesses. A canary must run.
  if (evidence.end.kind === 'skipped' && expected.length === 0) return judgeEnd(evidence.end);
  const gone = judgeGone(evidence, spoke);
  if (gone !== undefined) return gone;
  const unseen = unseenWitnesses(evidence);
  if (unseen !== undefined) return inconclusive('unexercised', unseen);
  if (missing.length > 0) return inconclusive('canary-missed', `not seen: ${missing.join('; ')}`);
  return judgeFailures(evidence);
}

/**
 * The verdict on a trial whose guest went away or fell silent. The counters of such a guest are unknown, not zero. Undefined for
 * any other end of a trial.
 */
function judgeGone({ end, endsGuest }: TrialEvidence, spoke: boolean): Verdict | undefined {
  if (end.kind !== 'silent' && end.kind !== 'lost') return undefined;
  return spoke && endsGuest === true && end.kind === 'lost' ? { kind: 'clean' } : judgeEnd(end);
}

function judgeFailures({ failures: [first, ...more] = [], end }: TrialEvidence): Verdict {
  if (first === undefined) return judgeEnd(end);
  const text = more.length === 0 ? first : `${first}, and ${more.length} more`;
  return inconclusive('workload-failed', `not expected: ${text}`);
}

/** The reason why a workload may not have exercised its code. Undefined when every witness was seen. */
function unseenWitnesses(evidence: TrialEvidence): string | undefined {
  const { absentWitnesses: absent = [], witnesses, end } = evidence;
  if (absent.length === 1) return `witness ${absent.join('')} does not exist on this kernel`;
  if (absent.length > 1) return `witnesses ${absent.join(', ')} do not exist on this kernel`;
  const zero = Object.entries(witnesses).flatMap(([name, count]) => (count > 0 ? [] : [name]));
  return zero.length === 0 ? undefined : `${zero.join(', ')}: never happened${endNote(end)}`;
}

function judgeEnd(end: WorkloadEnd): Verdict {
  switch (end.kind) {
    case 'silent':
      return inconclusive('hung', `no result after ${Math.round(end.afterMs / 1000)} s`);
    case 'signal':
      return inconclusive('workload-failed', `the workload was killed by signal ${end.signal}`);
    case 'lost':
      return inconclusive('hung', 'the guest ended without a word');
    case 'skipped':
      return inconclusive('not-run', end.reason);
    // With these two ends the trial also has a splat, which decides the verdict. A splat that the baseline has does not decide,
    // but the trial was cut short all the same.
    case 'corrupted':
      return inconclusive('workload-failed', `the workload ended at a wrong word: ${end.what}`);
    case 'leaked':
      return inconclusive('workload-failed', `the workload ended at a leak: ${end.what}`);
    case 'stopped':
      return { kind: 'clean' };
    case 'exit':
      return end.code === 0
        ? { kind: 'clean' }
        : inconclusive('workload-failed', `the workload ended with exit code ${end.code}`);
  }
}

function endNote(end: WorkloadEnd): string {
  const ended = judgeEnd(end);
  return ended.kind === 'inconclusive' ? ` (${ended.message})` : '';
}

/** Makes an inconclusive verdict. `message` is one line. */
export function inconclusive(because: InconclusiveCause, message: string): Inconclusive {
  return { kind: 'inconclusive', because, message };
}

const kindOrder: readonly Verdict['kind'][] = ['splat', 'untestable', 'inconclusive', 'clean'];
const causeOrder: readonly InconclusiveCause[] = [
  'blind',
  'unexercised',
  'canary-missed',
  'hung',
  'workload-failed',
  'not-run',
];

/**
 * Returns the worst of several verdicts. A verdict `splat` has the titles of all splats of these verdicts. For an empty list, the
 * verdict is inconclusive, because nothing ran.
 */
export function worstVerdict(verdicts: readonly Verdict[]): Verdict {
  const titles = unique(
    verdicts.flatMap((verdict) => (verdict.kind === 'splat' ? verdict.titles : [])),
  );
  if (titles.length > 0) return { kind: 'splat', titles };
  const [worst] = verdicts.toSorted((a, b) => rank(a) - rank(b));
  return worst ?? inconclusive('unexercised', 'no trial ran');
}

function rank(verdict: Verdict): number {
  const cause = verdict.kind === 'inconclusive' ? causeOrder.indexOf(verdict.because) : 0;
  return kindOrder.indexOf(verdict.kind) * 100 + cause;
}

/**
 * Returns the exit code of a verdict, for `git bisect run`: 0 for clean, 1 for splat, 125 for every verdict that proves nothing.
 */
export function exitCodeOfVerdict(verdict: Verdict): number {
  switch (verdict.kind) {
    case 'clean':
      return 0;
    case 'splat':
      return 1;
    case 'untestable':
    case 'inconclusive':
      return 125;
  }
}

/** True for the verdict on a trial that did not run, because the kernel or the guest lacks what it needs. */
export function isNotRun(verdict: Verdict): boolean {
  return verdict.kind === 'inconclusive' && verdict.because === 'not-run';
}

/** Returns a verdict as a phrase, for example "inconclusive: unexercised". */
export function verdictPhrase(verdict: Verdict): string {
  return 'because' in verdict ? `${verdict.kind}: ${verdict.because}` : verdict.kind;
}

function unique(values: readonly string[]): readonly string[] {
  return [...new Set(values)];
}

/** What a trial, a kernel, a patch or a night amounts to, and the one function that says so. No I/O. */

import type { Inconclusive, InconclusiveCause, Verdict, WorkloadEnd } from './records/verdict.ts';

export type { PatchVerdict, Untestable, Verdict, WorkloadEnd } from './records/verdict.ts';

/** Everything a trial's verdict depends on. All of it is required: a clean without a ledger cannot be written down. */
export interface TrialEvidence {
  /** Titles of all splats on this trial's console, in order; a lost guest is among them. */
  readonly splats: readonly string[];
  /** Why a detector could not have spoken before the workload began; empty when all were alive. */
  readonly deadBefore: readonly string[];
  /** Why a detector could not have spoken at the end. */
  readonly deadAfter: readonly string[];
  /** Why the console may not carry everything that was said. */
  readonly incomplete: readonly string[];
  /** The required witnesses with their counts. */
  readonly witnesses: Readonly<Record<string, number>>;
  /** Witnesses that this kernel does not have: nobody can tell whether they happened. Absent: none. */
  readonly absentWitnesses?: readonly string[];
  /** Tests of the workload that failed and were not expected to, as `kms_atomic@x: fail`. Absent: none, or it is one. */
  readonly failures?: readonly string[];
  readonly end: WorkloadEnd;
  /** For a canary the titles it must produce, all of them and no others; undefined for every other trial. */
  readonly expected?: readonly string[];
}

/** The verdict of one trial; causes worst first, as in the table of verdicts in ARCHITECTURE.md. */
export function judgeTrial(evidence: TrialEvidence): Verdict {
  const expected = evidence.expected ?? [];
  const unexpected = unique(evidence.splats.filter((title) => !expected.includes(title)));
  const missing = expected.filter((title) => !evidence.splats.includes(title));
  // A seeded splat of which lines were lost goes by any name.
  const garbled = missing.length > 0 && evidence.incomplete.length > 0;
  if (unexpected.length > 0 && !garbled) return { kind: 'splat', titles: unexpected };
  // A canary that spoke has switched lockdep off by speaking: what is dead after it proves nothing against it.
  const spoke = expected.length > 0 && missing.length === 0;
  const dead = [
    ...evidence.deadBefore,
    ...evidence.incomplete,
    ...(spoke ? [] : evidence.deadAfter),
  ];
  if (dead.length > 0) return inconclusive('blind', dead.join('; '));
  // What did not run has no witnesses to miss. A canary has no such excuse.
  if (evidence.end.kind === 'skipped' && expected.length === 0) return judgeEnd(evidence.end);
  // The counters of a guest that went away are unknown, not zero.
  if (evidence.end.kind === 'silent' || evidence.end.kind === 'lost') return judgeEnd(evidence.end);
  const unseen = unseenWitnesses(evidence);
  if (unseen !== undefined) return inconclusive('unexercised', unseen);
  if (missing.length > 0) return inconclusive('canary-missed', `not seen: ${missing.join('; ')}`);
  return judgeFailures(evidence);
}

function judgeFailures({ failures: [first, ...more] = [], end }: TrialEvidence): Verdict {
  if (first === undefined) return judgeEnd(end);
  const text = more.length === 0 ? first : `${first}, and ${more.length} more`;
  return inconclusive('workload-failed', `not expected: ${text}`);
}

/** Why a workload may not have done what it is for; undefined when every witness was seen. */
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
    // The splat decides; where a baseline knows it, the trial was still cut short.
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

/** An inconclusive verdict; `message` is one line. */
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

/** The worst of several verdicts; splats are joined. An empty list is inconclusive: nothing ran, nothing is proved. */
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

/** The exit code of a verdict, made for `git bisect run`: 0 clean, 1 splat, 125 everything that proves nothing. */
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

/** True for a trial whose precondition the guest did not meet. */
export function isNotRun(verdict: Verdict): boolean {
  return verdict.kind === 'inconclusive' && verdict.because === 'not-run';
}

/** A verdict as one phrase, as in "inconclusive: unexercised". */
export function verdictPhrase(verdict: Verdict): string {
  return 'because' in verdict ? `${verdict.kind}: ${verdict.because}` : verdict.kind;
}

function unique(values: readonly string[]): readonly string[] {
  return [...new Set(values)];
}

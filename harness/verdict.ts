/** What a trial, a kernel, a patch or a night amounts to, and the one function that says so. No I/O. */

/** The kernel never got to the workload. `output` is the raw tail of the log that shows why. */
export interface Untestable {
  readonly kind: 'untestable';
  readonly because: 'apply' | 'config' | 'build' | 'boot';
  readonly message: string;
  readonly output?: string;
}

/** Nothing was found, and nothing is proved either. */
export interface Inconclusive {
  readonly kind: 'inconclusive';
  readonly because: InconclusiveCause;
  readonly message: string;
}

export type InconclusiveCause =
  | 'blind'
  | 'unexercised'
  | 'canary-missed'
  | 'hung'
  | 'workload-failed'
  | 'not-run';

/** At least one unexpected splat. */
export interface SplatSeen {
  readonly kind: 'splat';
  /** Titles of the unexpected splats, each once, in the order they were printed. */
  readonly titles: readonly string[];
}

export interface Clean {
  readonly kind: 'clean';
}

export type Verdict = SplatSeen | Untestable | Inconclusive | Clean;

/** What a patch of a series amounts to, against the last testable prefix before it; in this precedence. */
export type PatchVerdict =
  | 'untestable'
  | 'inconclusive'
  | 'introduces'
  | 'exposes'
  | 'fixes'
  | 'unaffected';

/** How the workload's process ended, as the agent saw it. */
export type WorkloadEnd =
  | { readonly kind: 'exit'; readonly code: number }
  | { readonly kind: 'signal'; readonly signal: number }
  /** It said that it cannot run here, and why (KSFT_SKIP, exit code 4). */
  | { readonly kind: 'skipped'; readonly reason: string }
  /** A program of the user's that had no end of its own, ended after the time it was given. */
  | { readonly kind: 'stopped' }
  /** Still running at its deadline, with the agent alive or not. */
  | { readonly kind: 'silent'; readonly afterMs: number }
  /** The guest itself ended: a panic, a reboot, a dead QEMU. */
  | { readonly kind: 'lost' };

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
  const zero = Object.entries(evidence.witnesses).filter(([, count]) => !(count > 0));
  if (zero.length > 0) {
    return inconclusive(
      'unexercised',
      `${zero.map(([name]) => name).join(', ')}: never happened${endNote(evidence.end)}`,
    );
  }
  if (missing.length > 0) return inconclusive('canary-missed', `not seen: ${missing.join('; ')}`);
  return judgeEnd(evidence.end);
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

import type { TrialOutcome } from '../../records/bisect-journal.ts';
import type { Costs } from './choose.ts';
import { type Answer, type Decision, decide, type Limits, type Refusal } from './decide.ts';
import { countsOf, type Entry, type Evidence, learn, nothingKnown } from './evidence.ts';
import type { Question } from './posterior.ts';

/** Prepares and tries commits. The real tester builds and boots kernels; the simulated tester throws dice. */
export interface Tester {
  /** Builds and boots the commit, or reports that it cannot be tested. */
  readonly prepare: (commit: number) => Promise<Extract<Entry, { kind: 'built' | 'broken' }>>;
  /** Runs a trial of a prepared commit. `index` is the number of trials that the bisection ran before. */
  readonly trial: (commit: number, index: number) => Promise<TrialOutcome>;
  /** Returns the cost of a build and of a trial so far, in seconds. */
  readonly costs: () => Costs;
}

export interface SearchOptions {
  readonly question: Question;
  readonly limits: Limits;
  readonly tester: Tester;
  /** The evidence from an earlier process when the search begins; absent for a new search. */
  readonly evidence?: Evidence;
  /** Called with every decision, before it is carried out. */
  readonly onDecision?: (decision: Decision, evidence: Evidence) => void;
  /** Called after each trial, with the decision to which the trial belongs. */
  readonly onTrial?: (decision: Decision, evidence: Evidence) => void;
}

export interface SearchEnd {
  readonly end: Answer | { readonly kind: 'refused'; readonly refusal: Refusal };
  readonly evidence: Evidence;
}

/** The search decides anew after this many trials of one decision that could not have shown the bug. */
const patience = 8;

/**
 * Runs a search: decides what to try, runs the trials, and learns from them, until there is an answer or a reason why no answer
 * is possible.
 */
export async function search(options: SearchOptions): Promise<SearchEnd> {
  const { question, limits, tester } = options;
  let evidence = options.evidence ?? nothingKnown;
  for (;;) {
    const decision = decide(question, evidence, tester.costs(), limits);
    options.onDecision?.(decision, evidence);
    if (decision.kind !== 'test') return { end: decision, evidence };
    evidence = await carryOut(decision, evidence, options);
  }
}

/**
 * Carries out a decision to try a commit. Builds and boots the commit if needed, then runs trials until `runs` of them have shown
 * the bug or could have shown it. The trials end early in three cases: a trial shows the bug; the commit cannot be tested; 8 trials
 * could not have shown the bug. A newly built commit gets no trial when another commit with the same image has had trials.
 */
async function carryOut(
  decision: Extract<Decision, { kind: 'test' }>,
  before: Evidence,
  { tester, onTrial }: SearchOptions,
): Promise<Evidence> {
  const { commit, runs } = decision;
  let evidence = before;
  if (!evidence.images.has(commit)) {
    const entry = await tester.prepare(commit);
    evidence = learn(evidence, entry);
    const { hits, misses } = countsOf(evidence, commit);
    // Another commit may have given the same kernel image, and that image has had trials.
    if (entry.kind === 'broken' || hits + misses > 0) return evidence;
  }
  let counted = 0;
  let voids = 0;
  while (counted < runs && voids < patience && !evidence.broken.has(commit)) {
    const outcome = await tester.trial(commit, evidence.trials);
    evidence = learn(evidence, { kind: 'trial', commit, outcome });
    onTrial?.(decision, evidence);
    if (outcome === 'hit') break;
    if (outcome === 'void') voids += 1;
    else counted += 1;
  }
  return evidence;
}

import type { TrialOutcome } from '../../records/bisect-journal.ts';
import type { Costs } from './choose.ts';
import { type Answer, type Decision, decide, type Limits, type Refusal } from './decide.ts';
import { countsOf, type Entry, type Evidence, learn, nothingKnown } from './evidence.ts';
import type { Question } from './posterior.ts';

/** Prepares and tries commits. The real tester builds and boots kernels; the simulated tester throws dice. */
export interface Tester {
  /** Builds and boots the commit, or reports that it cannot be tested. */
  readonly prepare: (commit: number) => Promise<Extract<Entry, { kind: 'built' | 'broken' }>>;
  /** One trial of a prepared commit; `index` counts the trials of the bisection. */
  readonly trial: (commit: number, index: number) => Promise<TrialOutcome>;
  /** The costs measured so far. */
  readonly costs: () => Costs;
}

export interface SearchOptions {
  readonly question: Question;
  readonly limits: Limits;
  readonly tester: Tester;
  /** The evidence with which a continued search begins. */
  readonly evidence?: Evidence;
  /** Called with every decision, before it is carried out. */
  readonly onDecision?: (decision: Decision, evidence: Evidence) => void;
  /** Called after every trial of a decision. */
  readonly onTrial?: (decision: Decision, evidence: Evidence) => void;
}

export interface SearchEnd {
  readonly end: Answer | { readonly kind: 'refused'; readonly refusal: Refusal };
  readonly evidence: Evidence;
}

/** After so many trials of one decision that could not have shown the bug, the search decides anew. */
const patience = 8;

/** Decides, tests and learns until the search has an answer, or a reason why it cannot have one. */
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
 * Carries out a decision: prepares the commit, unless that was done before, and runs up to `runs` trials that show the bug or
 * could have shown it. The trials end early at the first that shows the bug, when the commit cannot be tested, or after 8 trials
 * that could not have shown the bug. A commit that is prepared now gets no trial when another commit with the same image has been
 * tried.
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
    // Another commit with the same image may have been tried already.
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

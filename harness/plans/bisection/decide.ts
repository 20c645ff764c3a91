import { chanceOfSilence } from '../../trial/rate.ts';
import { type Choice, type Costs, chooseTrials, validTrials } from './choose.ts';
import { countsOf, type Evidence } from './evidence.ts';
import { type Posterior, posteriorOf, type Question, shownIf, undecidable } from './posterior.ts';

/** Why a bisection ends without an answer. */
export type Refusal =
  /** An end does not build, does not boot, or almost none of its trials could have shown the bug. */
  | { readonly kind: 'untestable-end'; readonly commit: number }
  /** The bad end did not show the bug in `runs` valid trials. */
  | { readonly kind: 'not-seen'; readonly commit: number; readonly runs: number }
  /** The good end showed the bug in `hits` of `runs` valid trials. */
  | {
      readonly kind: 'not-clean';
      readonly commit: number;
      readonly hits: number;
      readonly runs: number;
    }
  /** No single commit between the ends explains the trials, and no further trial would change that. */
  | { readonly kind: 'contradiction' }
  /** The limit of trials is reached. */
  | { readonly kind: 'undecided'; readonly trials: number };

/**
 * The culprit, or the smallest set of commits that no testable commit splits. `confidence` is the probability that the
 * culprit is in the set.
 */
export interface Answer {
  readonly kind: 'found';
  readonly commits: readonly number[];
  readonly confidence: number;
}

export type Decision =
  | (Pick<Choice, 'commit' | 'runs'> & {
      readonly kind: 'test';
      readonly why: 'end' | 'search' | 'verify';
    })
  | Answer
  | { readonly kind: 'refused'; readonly refusal: Refusal };

export interface Limits {
  /** The confidence that an answer must reach, between 0.5 and 1. */
  readonly confidence: number;
  /**
   * Maximum of valid trials at the bad end while the rate of the bug is estimated. A trial is valid when it showed the bug or
   * could have shown it.
   */
  readonly endTrials: number;
  /** Maximum of trials of the whole search, valid or not. */
  readonly trials: number;
}

/**
 * Number of trials at the bad end that must show the bug before the search begins: enough for a first estimate of the rate, which
 * later trials refine.
 */
const wantedSightings = 6;
/**
 * Before the search, the good end is tried so often that a kernel with the bug would show nothing in all these trials with at
 * most this probability. Later the search tries the good end again when a trial there promises the most information for its cost.
 */
const firstDoubt = 0.5;

/**
 * The search ends when the doubt (1 minus the confidence) falls to this share of the doubt that the user allows. The share is
 * below 1, because the rate differs a little between kernels, and the first trials that showed the bug may have been luck. With
 * this share the simulated answers are right as often as the confidence says.
 */
const keptDoubt = 0.5;

/** Decides the next step from the evidence. Pure: the same evidence and costs give the same decision. */
export function decide(
  question: Question,
  evidence: Evidence,
  costs: Costs,
  limits: Limits,
): Decision {
  const proof = proveEnds(question, evidence, limits);
  if (proof !== undefined) return proof;
  const { trials } = evidence;
  if (trials >= limits.trials) return refuse({ kind: 'undecided', trials });
  const posterior = posteriorOf(question, evidence);
  if (posterior === undefined) return refuse({ kind: 'contradiction' });
  const { bad, good } = endsOf(question);
  const first = quietRuns(posterior, firstDoubt) - validTrials(evidence, good);
  if (!evidence.images.has(good) || first > 0) {
    return { kind: 'test', why: 'end', commit: good, runs: Math.max(1, first) };
  }
  const best = mostProbable(posterior);
  const commits = undecidable(question, evidence, best);
  const confidence = commits.reduce((sum, commit) => sum + (posterior.mass[commit] ?? 0), 0);
  if (1 - confidence <= keptDoubt * (1 - limits.confidence)) {
    const doubt = unverified(question, evidence, posterior, { commits, limits });
    return doubt ?? { kind: 'found', commits, confidence };
  }
  const choice = chooseTrials(question, evidence, posterior, costs);
  if (choice === undefined) return refuse({ kind: 'contradiction' });
  return { kind: 'test', why: choice.commit === bad ? 'end' : 'search', ...choice };
}

/** The indices of the bad and of the good end. The bad end is the newer end, with `reverse` the older end. */
export function endsOf({ history, reverse }: Question): {
  readonly bad: number;
  readonly good: number;
} {
  const newest = history.ids.length - 1;
  return reverse ? { bad: 0, good: newest } : { bad: newest, good: 0 };
}

function proveEnds(question: Question, evidence: Evidence, limits: Limits): Decision | undefined {
  const { bad, good } = endsOf(question);
  for (const commit of [bad, good]) {
    if (evidence.broken.has(commit)) return refuse({ kind: 'untestable-end', commit });
  }
  const atBad = countsOf(evidence, bad);
  const runs = validTrials(evidence, bad);
  if (atBad.hits < wantedSightings && runs < limits.endTrials) {
    return { kind: 'test', why: 'end', commit: bad, runs: 1 };
  }
  if (atBad.hits === 0) return refuse({ kind: 'not-seen', commit: bad, runs });
  const { hits } = countsOf(evidence, good);
  if (hits > 0) {
    return refuse({ kind: 'not-clean', commit: good, hits, runs: validTrials(evidence, good) });
  }
  return undefined;
}

/**
 * The smallest number of trials, at most 500, after which silence is improbable: a kernel with the bug shows nothing in all of
 * them with a probability of at most `doubt`.
 */
export function quietRuns(posterior: Posterior, doubt: number): number {
  const shown = shownIf(posterior, mostProbable(posterior));
  let runs = 1;
  while (runs < 500 && chanceOfSilence(shown, runs) > doubt) runs += 1;
  return runs;
}

function mostProbable({ mass }: Pick<Posterior, 'mass'>): number {
  let best = 1;
  for (let commit = 1; commit < mass.length - 1; commit++) {
    if ((mass[commit] ?? 0) > (mass[best] ?? 0)) best = commit;
  }
  return best;
}

/**
 * The next trials that confirm a single culprit: the side with the bug must show it, the other side must stay silent. These
 * trials enter the posterior like all others and may change the answer. Undefined when nothing is missing, and for an answer of
 * several commits.
 */
function unverified(
  { history, reverse }: Question,
  evidence: Evidence,
  posterior: Posterior,
  { commits, limits }: { readonly commits: readonly number[]; readonly limits: Limits },
): Decision | undefined {
  const [culprit, ...others] = commits;
  if (culprit === undefined || others.length > 0) return undefined;
  const parents = history.parents[culprit] ?? [];
  const [showing, quiet] = reverse ? [parents, [culprit]] : [[culprit], parents];
  const needed = quietRuns(posterior, 1 - limits.confidence);
  for (const commit of showing) {
    if (!evidence.broken.has(commit) && countsOf(evidence, commit).hits === 0) {
      return { kind: 'test', why: 'verify', commit, runs: needed };
    }
  }
  for (const commit of quiet) {
    const missing = needed - validTrials(evidence, commit);
    if (!evidence.broken.has(commit) && missing > 0) {
      return { kind: 'test', why: 'verify', commit, runs: missing };
    }
  }
  return undefined;
}

function refuse(refusal: Refusal): Decision {
  return { kind: 'refused', refusal };
}

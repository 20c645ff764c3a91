import { chanceOfSilence } from '../../trial/rate.ts';
import { type Choice, type Costs, chooseTrials, validTrials } from './choose.ts';
import { countsOf, type Evidence } from './evidence.ts';
import { type Posterior, posteriorOf, type Question, shownIf, undecidable } from './posterior.ts';

/** Why a bisection ends without an answer. */
export type Refusal =
  /** An end of the range does not build or boot, or almost none of its trials could have shown the bug. */
  | { readonly kind: 'untestable-end'; readonly commit: number }
  /** The bad end of the range did not show the bug in `runs` trials that could have shown it. */
  | { readonly kind: 'not-seen'; readonly commit: number; readonly runs: number }
  /** The good end of the range showed the bug in `hits` of `runs` trials. Trials that could not have shown it are not counted. */
  | {
      readonly kind: 'not-clean';
      readonly commit: number;
      readonly hits: number;
      readonly runs: number;
    }
  /** The trials contradict each other: no single commit explains them, and further trials would not change that. */
  | { readonly kind: 'contradiction' }
  /** The bisection stopped after `trials` trials, the most that it may run. */
  | { readonly kind: 'undecided'; readonly trials: number };

/**
 * The answer of a bisection: the culprit, or the smallest set of commits that trials cannot split further. `confidence` is the
 * probability that the culprit is in the set.
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
  /** The probability with which the answer must be right, between 0.5 and 1. */
  readonly confidence: number;
  /**
   * The most trials of the bad end before the search begins. These trials give the first estimate of the bug's rate. A trial that
   * could not have shown the bug does not count.
   */
  readonly endTrials: number;
  /** The most trials of the whole search, with the trials that could not have shown the bug. */
  readonly trials: number;
}

/**
 * The search begins when this many trials of the bad end have shown the bug. These trials give a first estimate of the bug's rate,
 * which later trials refine.
 */
const wantedSightings = 6;
/**
 * The search begins when a kernel with the bug would stay silent in as many trials as the good end had with at most this
 * probability. Later the search tries the good end again when such trials promise the most information for their cost.
 */
const firstDoubt = 0.5;

/**
 * The search ends when its doubt (1 minus its confidence) falls to this share of the doubt that the user allows. The share is below
 * 1, because the bug's rate differs a little between kernels, and because the first trials that showed the bug may have been luck.
 * With this share, simulated answers are right as often as the confidence says.
 */
const keptDoubt = 0.5;

/** Decides the next step of a bisection from the trials so far. Pure: equal evidence and costs give the same decision. */
export function decide(
  question: Question,
  evidence: Evidence,
  costs: Costs,
  limits: Limits,
): Decision {
  const { trials } = evidence;
  const isOver = trials >= limits.trials;
  const proof = proveEnds(question, evidence, limits);
  if (proof !== undefined && !(isOver && proof.kind === 'test')) return proof;
  if (isOver) return refuse({ kind: 'undecided', trials });
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

/** Returns the indices of the bad and the good end of the range. The bad end is the newer end; with `reverse`, the older end. */
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
 * Returns the number of silent trials, at most 500, after which a kernel probably does not have the bug. A kernel with the bug
 * stays silent in all these trials with a probability of at most `doubt`.
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
 * Returns the next trials that confirm a single culprit: the kernel with the bug must show the bug, and the kernel on the other
 * side of the culprit must stay silent. These trials count like all others, and may change the answer. Returns undefined when no
 * such trial is missing, and for an answer with several commits.
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

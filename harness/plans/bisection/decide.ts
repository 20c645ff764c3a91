import { chanceOfSilence } from '../../trial/rate.ts';
import { type Choice, type Costs, chooseTrials, validTrials } from './choose.ts';
import { countsOf, type Evidence } from './evidence.ts';
import { type Posterior, posteriorOf, type Question, shownIf, undecidable } from './posterior.ts';

/** Why a bisection ends without an answer. */
export type Refusal =
  /** An end does not build or boot, or no trial of it could have seen the bug. */
  | { readonly kind: 'untestable-end'; readonly commit: number }
  /** The end that should show the bug does not, in so many trials. */
  | { readonly kind: 'not-seen'; readonly commit: number; readonly runs: number }
  /** The end that should be clean shows the bug. */
  | {
      readonly kind: 'not-clean';
      readonly commit: number;
      readonly hits: number;
      readonly runs: number;
    }
  /** No single commit between the ends explains what was seen, and no trial would change that. */
  | { readonly kind: 'contradiction' }
  /** The trials are used up. */
  | { readonly kind: 'undecided'; readonly trials: number };

/** One commit, or the smallest set nothing testable can split. `confidence` is that of the whole set. */
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
  /** Between 0.5 and 1. */
  readonly confidence: number;
  /** Trials without the bug at the end that should show it. */
  readonly endTrials: number;
  readonly trials: number;
}

/** Sightings at the end that has the bug: enough for a first estimate of the rate, which all later trials refine. */
const wantedSightings = 6;
/** Chance of luck that the good end's first silence may have. The search goes on doubting it, and comes back when that pays. */
const firstDoubt = 0.5;

/**
 * The search ends at this share of the doubt that is allowed: the rate is not quite the same in all kernels, and the few
 * sightings at first may have been luck. Simulated, the answers are then as often right as was asked.
 */
const keptDoubt = 0.5;

/** What to do next, from everything known. Pure: the same evidence and costs give the same decision. */
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

/** The ends by what they should show: for the commit that broke it the new end is bad, for the fix the old one. */
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

/** Silent trials after which a kernel that has the bug would have shown it, but for a chance of `doubt`. */
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
 * What is still to be seen with our own eyes of a single culprit: the side of it that has the bug shows it, the other
 * does not. What the trials say goes into the posterior as any other and may change the answer.
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

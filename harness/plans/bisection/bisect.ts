import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { HarnessError } from '../../errors.ts';
import { valueDigest } from '../../host/store.ts';
import type { ChosenWorkload } from '../choose-workloads.ts';
import type { CommitLabRequest } from './commit-lab.ts';
import { type Decision, endsOf } from './decide.ts';
import { countsOf, type Evidence } from './evidence.ts';
import { findSought, type Sought } from './find-sought.ts';
import { type Range, type RangeRequest, readRange } from './git-range.ts';
import { costsOf, evidenceOf, type Journal, openJournal } from './journal.ts';
import { type Posterior, posteriorOf, type Question } from './posterior.ts';
import { type SearchEnd, search } from './search.ts';
import { commitCache, realTester } from './tester.ts';

/** What `splat bisect` was asked to do. */
export interface BisectRequest
  extends RangeRequest,
    Omit<CommitLabRequest, 'oldEnd' | 'tree' | 'signal'> {
  /** A signature or a part of a title; undefined: whatever the bad end shows first. */
  readonly signature: string | undefined;
  /** The first that shows the splat is used from then on. */
  readonly workloads: readonly ChosenWorkload[];
  readonly confidence: number;
  /** Digest of everything that decides the answer; a journal of another one is refused. */
  readonly key: string;
  readonly onDecision: (moment: Moment) => void;
}

/** What is known when something is decided; the live display is made of it. */
export interface Moment {
  readonly decision: Decision;
  readonly question: Question;
  readonly evidence: Evidence;
  readonly posterior: Posterior | undefined;
  readonly subjects: Range['subjects'];
  readonly costs: ReturnType<typeof costsOf>;
}

export interface BisectResult extends SearchEnd {
  readonly question: Question;
  readonly range: Range;
  readonly posterior: Posterior | undefined;
  readonly facts: Journal['facts'];
  /** Undefined when the bad end showed nothing of the kind. */
  readonly sought: Sought | undefined;
}

/** Trials of the bad end without the bug before it is given up: a rate below 2 % takes too long for anybody. */
const endTrials = 150;
const mostTrials = 3_000;

/** Bisects, or goes on with a bisection whose journal is in `dir`. */
export async function bisectPlan(request: BisectRequest): Promise<BisectResult> {
  const range = await readRange(request);
  const { history } = range;
  const question: Question = { history, reverse: request.reverse };
  await mkdir(join(request.dir, 'diffs'), { recursive: true });
  const oldEnd = history.ids[0] ?? '';
  // Names of revisions move; the commits they meant do not.
  const key = valueDigest([request.key, oldEnd, history.ids.at(-1)]);
  await using journal = await openJournal(request.dir, key);
  const commits = commitCache({ ...request, oldEnd }, journal, question);
  const sought = await findSought(request.signature, {
    candidates: request.workloads,
    rounds: endTrials,
    journal,
    commits,
    question,
  });
  const base = { question, range, facts: journal.facts };
  if (sought === undefined) {
    const evidence = evidenceOf(journal.facts, history, '');
    return { ...base, ...notSeen(question, evidence), posterior: undefined, sought };
  }
  const chosen = request.workloads.find(({ workload }) => workload.name === sought.workload);
  if (chosen === undefined) throw new HarnessError('internal', `no workload ${sought.workload}`);
  const found = await search({
    question,
    limits: { confidence: request.confidence, endTrials, trials: mostTrials },
    evidence: evidenceOf(journal.facts, history, sought.workload),
    tester: realTester({ commits, journal, question, chosen, text: sought.text }),
    onDecision: (decision, evidence) =>
      request.onDecision({
        decision,
        question,
        evidence,
        posterior: posteriorOf(question, evidence),
        subjects: range.subjects,
        costs: costsOf(journal.facts),
      }),
  });
  return { ...base, ...found, posterior: posteriorOf(question, found.evidence), sought };
}

function notSeen(question: Question, evidence: Evidence): SearchEnd {
  const { bad: commit } = endsOf(question);
  const refusal = evidence.broken.has(commit)
    ? ({ kind: 'untestable-end', commit } as const)
    : ({ kind: 'not-seen', commit, runs: endTrials } as const);
  return { end: { kind: 'refused', refusal }, evidence };
}

/** True when the trials of a commit say that it has the bug, false when they say it has not; undefined: neither. */
export function standing(
  { question, evidence, posterior }: Pick<BisectResult, 'question' | 'evidence' | 'posterior'>,
  commit: number,
): 'bad' | 'good' | 'skip' | undefined {
  if (evidence.broken.has(commit)) return 'skip';
  const { hits, misses } = countsOf(evidence, commit);
  if (hits > 0) return 'bad';
  if (misses === 0 || posterior === undefined) return undefined;
  const { history, reverse } = question;
  const having = posterior.mass.reduce(
    (sum, share, culprit) => (history.contains(commit, culprit) === reverse ? sum : sum + share),
    0,
  );
  return having < 0.05 ? 'good' : undefined;
}

import { HarnessError } from '../../errors.ts';
import { valueDigest } from '../../host/store.ts';
import type { RevertCheck } from '../../records/bisect.ts';
import type { ChosenWorkload } from '../../trial/chosen-workload.ts';
import { bootWorkload, type CommitLabRequest } from '../../trial/ready-kernel.ts';
import { type Decision, endsOf } from './decide.ts';
import { countsOf, type Evidence } from './evidence.ts';
import { findSought, type Sought } from './find-sought.ts';
import { costsOf, evidenceOf, type Journal, openJournal } from './journal.ts';
import type { KernelWork } from './kernel-work.ts';
import { type Posterior, posteriorOf, type Question } from './posterior.ts';
import type { Range } from './range.ts';
import { type SearchEnd, search } from './search.ts';
import { type Commits, commitCache, realTester, SeenAtBoot } from './tester.ts';
import { verifyRevert } from './verify-revert.ts';

/** What `splat bisect` was asked to do. */
export interface BisectRequest extends KernelWork, Omit<CommitLabRequest, 'signal' | 'dir'> {
  readonly range: Range;
  /** The commit that took the splat away is sought. */
  readonly reverse: boolean;
  /** A signature or a part of a title; undefined: whatever the bad end shows first. */
  readonly signature: string | undefined;
  /** The first that shows the splat is used from then on. */
  readonly workloads: readonly ChosenWorkload[];
  readonly confidence: number;
  /** Take the culprit away from the new end, and look. */
  readonly verifyRevert: boolean;
  /** Digest of everything that decides the answer; a journal of another one is refused. */
  readonly key: string;
  /** Called with every decision before it is carried out, and after every trial of it. */
  readonly onMoment: (moment: Moment) => void;
}

/** What is known at a moment of the search; the live display is made of it. */
export interface Moment {
  readonly decision: Decision;
  /** False while the decision is being carried out. */
  readonly isNew: boolean;
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
  /** Undefined when it was not asked for, or there is no single culprit. */
  readonly revert?: RevertCheck;
  /** What the culprit changes in the final .config, when lines of one were bisected. */
  readonly configChanges: readonly string[];
}

/** Trials of the bad end without the bug before it is given up: a rate below 2 % takes too long for anybody. */
const endTrials = 150;
const mostTrials = 3_000;

/** Bisects, or goes on with a bisection whose journal is in the folder `dir`. */
export async function bisectPlan(request: BisectRequest): Promise<BisectResult> {
  const { range, reverse } = request;
  const { history } = range;
  const question: Question = { history, reverse };
  await using journal = await openJournal(
    request.dir,
    valueDigest([request.key, range.identity, range.unit]),
  );
  const commits = commitCache({ ...request, build: range.build }, journal, question);
  const base = { question, range, facts: journal.facts, configChanges: [] };
  for (;;) {
    const sought = await findSought(request.signature, {
      candidates: request.workloads,
      rounds: endTrials,
      journal,
      commits,
      question,
    });
    if (sought === undefined) {
      const evidence = evidenceOf(journal.facts, history, '');
      return { ...base, ...notSeen(question, evidence), posterior: undefined, sought };
    }
    const found = await searchFor(sought, { request, journal, commits, question });
    if (found !== undefined) return { ...base, ...found, sought };
  }
}

/** The search by the workload that shows it; undefined when a boot shows it, which the journal has noted then. */
async function searchFor(
  sought: Sought,
  known: {
    readonly request: BisectRequest;
    readonly journal: Journal;
    readonly commits: Commits;
    readonly question: Question;
  },
): Promise<Omit<BisectResult, 'question' | 'range' | 'facts' | 'sought'> | undefined> {
  const { request, journal, commits, question } = known;
  const { range } = request;
  const chosen = request.workloads.find(({ workload }) => workload.name === sought.workload);
  if (chosen === undefined && sought.workload !== bootWorkload)
    throw new HarnessError('internal', `no workload ${sought.workload}`);
  const context = { commits, journal, question, chosen, text: sought.text };
  const report = (decision: Decision, evidence: Evidence, isNew: boolean): void =>
    request.onMoment({
      decision,
      isNew,
      question,
      evidence,
      posterior: posteriorOf(question, evidence),
      subjects: range.subjects,
      costs: costsOf(journal.facts),
    });
  try {
    const found = await search({
      question,
      limits: { confidence: request.confidence, endTrials, trials: mostTrials },
      evidence: evidenceOf(journal.facts, range.history, sought.workload),
      tester: realTester(context),
      onDecision: (decision, evidence) => report(decision, evidence, true),
      onTrial: (decision, evidence) => report(decision, evidence, false),
    });
    const posterior = posteriorOf(question, found.evidence);
    const more = await lookAtCulprit(found, posterior, { request, range, context });
    return { ...found, posterior, ...more };
  } catch (error) {
    if (!(error instanceof SeenAtBoot)) throw error;
    await journal.append({ kind: 'sought', text: sought.text, workload: bootWorkload });
    return undefined;
  }
}

/** What is asked of a single culprit once it is found. */
async function lookAtCulprit(
  { end }: SearchEnd,
  posterior: Posterior | undefined,
  asked: {
    readonly request: BisectRequest;
    readonly range: Range;
    readonly context: Parameters<typeof realTester>[0];
  },
): Promise<Pick<BisectResult, 'revert' | 'configChanges'>> {
  const { request, range, context } = asked;
  const [culprit, ...others] = end.kind === 'found' ? end.commits : [];
  if (culprit === undefined || posterior === undefined || others.length > 0) {
    return { configChanges: [] };
  }
  if (range.history.outside.has(culprit)) return { configChanges: [] };
  const id = range.history.ids[culprit] ?? '';
  const configChanges = (await range.configChanges?.(id)) ?? [];
  if (!request.verifyRevert) return { configChanges };
  const revert = await verifyRevert(id, {
    ...context,
    request,
    buildWithout: range.buildWithout,
    reverse: context.question.reverse,
    posterior,
    confidence: request.confidence,
  });
  return { configChanges, revert };
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

import { HarnessError } from '../../errors.ts';
import { valueDigest } from '../../host/store.ts';
import type { RevertCheck } from '../../records/bisect.ts';
import type { ChosenWorkload } from '../../trial/chosen-workload.ts';
import { bootWorkload, type CommitTrialsRequest } from '../../trial/ready-kernel.ts';
import { type Decision, endsOf } from './decide.ts';
import { type Counts, countsOf, type Evidence, isBlind } from './evidence.ts';
import { countLooks, findTargetSplat, type TargetSplat } from './find-target-splat.ts';
import { costsOf, evidenceOf, type Journal, openJournal } from './journal.ts';
import type { KernelWork } from './kernel-work.ts';
import { type Posterior, posteriorOf, type Question } from './posterior.ts';
import type { Range } from './range.ts';
import { type SearchEnd, search } from './search.ts';
import { type Commits, commitCache, realTester, SeenAtBoot } from './tester.ts';
import { verifyRevert } from './verify-revert.ts';

/** The options of a bisection, as `splat bisect` reads them from its command line. */
export interface BisectRequest extends KernelWork, Omit<CommitTrialsRequest, 'signal' | 'dir'> {
  readonly range: Range;
  /** True to search for the commit that removed the splat instead of the commit that introduced it. */
  readonly reverse: boolean;
  /**
   * The signature of the splat to look for, or a part of its title. Undefined: the first splat that the bad end of the range
   * shows.
   */
  readonly signature: string | undefined;
  /**
   * The workloads that may show the splat. The bisection tries each workload in turn on the bad end of the range, and then uses the
   * first workload that shows the splat.
   */
  readonly workloads: readonly ChosenWorkload[];
  readonly confidence: number;
  /** True to check a single culprit: the bisection builds the new end of the range without the culprit, and tries this kernel. */
  readonly verifyRevert: boolean;
  /** A digest of everything that decides the answer. bisectPlan() refuses the journal of a bisection with another digest. */
  readonly key: string;
  /** Called with each decision of the search before it is carried out, and again after each of its trials. */
  readonly onMoment: (moment: Moment) => void;
}

/** The state of a bisection before a decision is carried out or after a trial. A terminal shows the progress from this state. */
export interface Moment {
  readonly decision: Decision;
  /** True when the decision was just taken; false after a trial that belongs to the decision. */
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
  /** The splat that the bisection looks for. Undefined when the bad end of the range cannot be tested, or showed no such splat. */
  readonly sought: TargetSplat | undefined;
  /**
   * The outcome of the new end of the range without the culprit. Absent without `verifyRevert`, and when there is no
   * single culprit.
   */
  readonly revert?: RevertCheck;
  /**
   * The lines of the final .config that the culprit changes, such as `CONFIG_X=y`. Empty unless the bisection searched
   * configurations and found a single culprit.
   */
  readonly configChanges: readonly string[];
}

/**
 * The bisection gives up after this many trials of the bad end without the bug. Only trials that could have shown the bug count.
 * Before a workload has shown the bug, every trial counts, and each workload gets this many. A bug that shows in less than 2 % of
 * the trials needs too many trials.
 */
const endTrials = 150;
const mostTrials = 3_000;

/**
 * Runs a bisection in the folder `request.dir`, or continues the bisection of an earlier process when the folder has a journal
 * (journal.jsonl). A bisection without an answer is no error: its result has the reason. Throws `usage` when the journal belongs to
 * another request.
 */
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
    const sought = await findTargetSplat(request.signature, {
      candidates: request.workloads,
      rounds: endTrials,
      journal,
      commits,
      question,
    });
    if (sought === undefined) {
      const evidence = evidenceOf(journal.facts, history, '');
      const looks = request.workloads.map(({ workload }) =>
        countLooks(journal.facts, workload.name),
      );
      return { ...base, ...notSeen(question, evidence, looks), posterior: undefined, sought };
    }
    const found = await searchFor(sought, { request, journal, commits, question });
    if (found !== undefined) return { ...base, ...found, sought };
  }
}

/**
 * Searches for the culprit with the workload that shows the splat. Returns undefined when a boot without any workload shows the
 * splat. The journal then names `boot` as the workload for a new search.
 */
async function searchFor(
  sought: TargetSplat,
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
    throw new HarnessError('internal', `the bisection has no workload ${sought.workload}`);
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

/**
 * Returns the facts about a single culprit: the lines that the culprit changes in the final .config and, on request, whether a
 * kernel without the culprit still shows the splat. Returns no facts for several candidates, or for a commit that --path
 * leaves out.
 */
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

/**
 * Returns the end of a bisection whose bad end never showed the splat. `looks` has the counts of the trials, for each workload.
 * A workload is left out when almost none of its trials could have shown a splat. When no workload remains, the bad end cannot
 * be tested.
 */
export function notSeen(
  question: Question,
  evidence: Evidence,
  looks: readonly Counts[],
): SearchEnd {
  const { bad: commit } = endsOf(question);
  const heard = looks.filter((counts) => !isBlind(counts)).map(({ misses }) => misses);
  const refusal =
    evidence.broken.has(commit) || heard.length === 0
      ? ({ kind: 'untestable-end', commit } as const)
      : ({ kind: 'not-seen', commit, runs: Math.min(...heard) } as const);
  return { end: { kind: 'refused', refusal }, evidence };
}

/**
 * Returns what the trials say about a commit. `skip`: the commit cannot be tested. `bad`: a trial of its kernel showed the splat.
 * `good`: its trials could have shown the splat, none did, and the probability that the commit has the bug is below 5 %. Returns
 * undefined when the trials do not decide.
 */
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

import type { TrialOutcome } from '../../records/bisect-journal.ts';
import type { ChosenWorkload } from '../../trial/chosen-workload.ts';
import {
  bootOf,
  bootWorkload,
  type CommitTrialsRequest,
  prepareCommit,
  type ReadyCommit,
} from '../../trial/ready-kernel.ts';
import { verdictPhrase } from '../../verdict.ts';
import { endsOf } from './decide.ts';
import { costsOf, type Journal } from './journal.ts';
import type { Question } from './posterior.ts';
import type { Range } from './range.ts';
import type { Tester } from './search.ts';
import { isTargetSplat, outcomeOf, splatsOf } from './target-splat.ts';

/** A commit that this process has built and booted, and whether its silent trials count. */
export interface KnownCommit {
  readonly ready: ReadyCommit;
  /**
   * True when the kernel lacks config lines that a fragment demands, and no seeded bug proves that the kernel's detectors work
   * without these lines. The silent trials of this kernel then do not count.
   */
  readonly isDoubtful: boolean;
}

/**
 * The commits that this process has booted. A process prepares each commit once. The journal records only the first preparation by
 * any process.
 */
export interface Commits {
  /**
   * Builds and boots a commit, or returns the commit that this process booted before. `commit` is an index. Returns undefined when
   * the commit cannot be tested.
   */
  readonly prepare: (commit: number) => Promise<KnownCommit | undefined>;
}

export function commitCache(
  request: CommitTrialsRequest & Pick<Range, 'build'>,
  journal: Journal,
  question: Question,
): Commits {
  const ready = new Map<number, KnownCommit | undefined>();
  const { good } = endsOf(question);
  const prepare = async (commit: number): Promise<KnownCommit | undefined> =>
    prepareNoted(question.history.ids[commit] ?? '', {
      request,
      journal,
      build: request.build,
      mustProve: commit === good,
    });
  return {
    prepare: async (commit) => {
      if (!ready.has(commit)) ready.set(commit, await prepare(commit));
      return ready.get(commit);
    },
  };
}

/**
 * Builds and boots a commit. Returns the booted commit, and writes the fact `built` to the journal, unless the journal has it.
 * Returns undefined, and writes the fact `broken`, when the commit cannot be tested, or when it had to show its seeded bugs and
 * did not.
 */
export async function prepareNoted(
  id: string,
  context: {
    readonly request: CommitTrialsRequest;
    readonly journal: Journal;
    readonly build: Range['build'];
    /**
     * True to try the seeded bugs once before the silence of this commit counts. A kernel that lacks config lines that a fragment
     * demands always tries the seeded bugs.
     */
    readonly mustProve: boolean;
  },
): Promise<KnownCommit | undefined> {
  const { request, journal, build } = context;
  const startedAt = performance.now();
  const prepared = await prepareCommit(id, await build(id), request);
  const broken = async (because: string, message: string): Promise<undefined> => {
    const seconds = (performance.now() - startedAt) / 1000;
    await journal.append({ kind: 'broken', commit: id, because, message, seconds });
  };
  if (prepared.kind === 'untestable') {
    return broken(prepared.verdict.because, prepared.verdict.message);
  }
  const { commit: ready } = prepared;
  const { image, compiled, dropped } = ready;
  const lacks = dropped.demanded.length > 0;
  const fact = journal.facts.find((one) => one.kind === 'built' && one.commit === id);
  if (fact?.kind === 'built') return { ready, isDoubtful: fact.unproved === true };
  const seconds = (performance.now() - startedAt) / 1000;
  const proof = lacks || context.mustProve ? await ready.proveDetectors() : 'proved';
  if (typeof proof !== 'string') {
    return broken(verdictPhrase(proof), 'message' in proof ? proof.message : '');
  }
  const isDoubtful = lacks && proof === 'unproved';
  await journal.append({
    kind: 'built',
    commit: id,
    image,
    compiled,
    ...(lacks || dropped.base.length > 0 ? { dropped } : {}),
    ...(isDoubtful ? { unproved: true } : {}),
    seconds,
  });
  return { ready, isDoubtful };
}

/** What a trial runs, and which splat it looks for. */
export interface TrialOf {
  readonly journal: Journal;
  /** The workload that runs in a copy of a booted guest. Undefined for a trial that only boots. */
  readonly chosen: ChosenWorkload | undefined;
  /** The full signature of the splat that is looked for, or a part of its title. */
  readonly text: string;
}

/**
 * Thrown when a boot shows the splat. All copies of this boot share the splat, so trials in them are not independent. The bisection
 * then counts boots instead of trials with the workload.
 */
export class SeenAtBoot extends Error {}

/**
 * Runs a trial of a commit and writes its outcome to the journal. A miss becomes `void` on a kernel whose detectors are in doubt
 * (`isDoubtful`). Throws SeenAtBoot when the guest's boot showed the splat.
 */
export async function tryOnce(
  id: string,
  known: KnownCommit,
  { journal, chosen, text }: TrialOf,
): Promise<TrialOutcome> {
  const startedAt = performance.now();
  const tried =
    chosen === undefined
      ? await tryBoot(countBoots(journal, known.ready.image), known.ready, text)
      : await tryCopy(countTrials(journal, id), known.ready, { chosen, text });
  const outcome = known.isDoubtful && tried.outcome === 'miss' ? 'void' : tried.outcome;
  await journal.append({
    kind: 'trial',
    commit: id,
    workload: chosen?.workload.name ?? bootWorkload,
    outcome,
    others: tried.others,
    seconds: (performance.now() - startedAt) / 1000,
  });
  return outcome;
}

interface Tried {
  readonly outcome: TrialOutcome;
  /** The titles of the other splats that the trial showed. */
  readonly others: readonly string[];
}

async function tryCopy(
  index: number,
  ready: ReadyCommit,
  { chosen, text }: { readonly chosen: ChosenWorkload; readonly text: string },
): Promise<Tried> {
  const trial = await ready.run(chosen, index);
  const atBoot = (await ready.bootAgain(bootOf(index))) ?? [];
  if (atBoot.some((splat) => isTargetSplat(splat, text))) throw new SeenAtBoot();
  const others = [...atBoot, ...splatsOf(trial)].filter((splat) => !isTargetSplat(splat, text));
  return { outcome: outcomeOf(trial, text), others: others.map(({ title }) => title) };
}

async function tryBoot(index: number, ready: ReadyCommit, text: string): Promise<Tried> {
  const splats = await ready.bootAgain(index);
  const others = (splats ?? []).filter((splat) => !isTargetSplat(splat, text));
  const isHit = splats !== undefined && others.length < splats.length;
  // When another splat came first, or the boot failed, the bug may have been there unseen.
  const missed = splats?.length === 0 ? 'miss' : 'void';
  return { outcome: isHit ? 'hit' : missed, others: others.map(({ title }) => title) };
}

/**
 * Returns the number of trials with a workload that a commit has had so far, including those that searched for the workload. Trials
 * that only booted do not count. The number gives the next trial a seed that no other trial has.
 */
function countTrials({ facts }: Journal, id: string): number {
  const own = facts.filter((fact) => 'commit' in fact && fact.commit === id);
  const trials = own.filter((fact) => fact.kind === 'trial' && fact.workload !== bootWorkload);
  return trials.length + own.filter(({ kind }) => kind === 'looked').length;
}

/**
 * Returns the number of trials of an image so far that only booted. All commits that gave the image share the numbers of its boots.
 */
function countBoots({ facts }: Journal, image: string): number {
  const having = new Set(
    facts.flatMap((fact) => (fact.kind === 'built' && fact.image === image ? [fact.commit] : [])),
  );
  return facts.filter(
    (fact) => fact.kind === 'trial' && fact.workload === bootWorkload && having.has(fact.commit),
  ).length;
}

/** Returns a tester that builds, boots and tries real kernels and writes each step to the journal. */
export function realTester(context: {
  readonly commits: Commits;
  readonly journal: Journal;
  readonly question: Question;
  readonly chosen: TrialOf['chosen'];
  readonly text: string;
}): Tester {
  const { commits, journal, question } = context;
  return {
    prepare: async (commit) => {
      const known = await commits.prepare(commit);
      return known === undefined
        ? { kind: 'broken', commit }
        : { kind: 'built', commit, image: known.ready.image };
    },
    trial: async (commit) => {
      const known = await commits.prepare(commit);
      // The commit was ready before. Undefined now means that the kernel is gone from the cache and cannot be built again.
      if (known === undefined) return 'void';
      return tryOnce(question.history.ids[commit] ?? '', known, context);
    },
    costs: () => costsOf(journal.facts),
  };
}

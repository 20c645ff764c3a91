import { verdictPhrase } from '../../verdict.ts';
import type { ChosenWorkload } from '../choose-workloads.ts';
import { type CommitLabRequest, prepareCommit, type ReadyCommit } from './commit-lab.ts';
import { endsOf } from './decide.ts';
import type { Outcome } from './evidence.ts';
import { costsOf, type Fact, type Journal } from './journal.ts';
import type { Question } from './posterior.ts';
import type { Range } from './range.ts';
import type { Tester } from './search.ts';
import { isSought, outcomeOf, splatsOf } from './sought.ts';

/** A commit in a process: booted, and whether its silence can be believed. */
export interface KnownCommit {
  readonly ready: ReadyCommit;
  /** Demands of the configuration are missing and no seeded bug can show that the detectors work all the same. */
  readonly isDoubtful: boolean;
}

/** Ready commits by index; each is prepared once in a process, and its first preparation is written down. */
export interface Commits {
  readonly prepare: (commit: number) => Promise<KnownCommit | undefined>;
}

export function commitCache(
  request: CommitLabRequest & Pick<Range, 'build'>,
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

/** Builds and boots one commit; undefined, and a fact of the journal, when it cannot be tested. */
export async function prepareNoted(
  id: string,
  context: {
    readonly request: CommitLabRequest;
    readonly journal: Journal;
    readonly build: Range['build'];
    /** Its silence is about to be believed: the seeded bugs are tried, once. */
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

/** One trial of a commit, written down. */
export async function tryOnce(
  id: string,
  { ready, isDoubtful }: KnownCommit,
  context: {
    readonly journal: Journal;
    readonly chosen: ChosenWorkload;
    /** What is sought. */
    readonly text: string;
  },
): Promise<Outcome> {
  const { journal, chosen, text } = context;
  const isTrialOf = (fact: Fact): boolean =>
    (fact.kind === 'trial' || fact.kind === 'looked') && fact.commit === id;
  const index = journal.facts.filter(isTrialOf).length;
  const startedAt = performance.now();
  const trial = await ready.run(chosen, index);
  const atBoot = ready.bootSplats.some((splat) => isSought(splat, text));
  const said = atBoot ? 'hit' : outcomeOf(trial, text);
  const outcome = isDoubtful && said === 'miss' ? 'void' : said;
  await journal.append({
    kind: 'trial',
    commit: id,
    workload: chosen.workload.name,
    outcome,
    others: [...ready.bootSplats, ...splatsOf(trial)]
      .filter((splat) => !isSought(splat, text))
      .map(({ title }) => title),
    seconds: (performance.now() - startedAt) / 1000,
  });
  return outcome;
}

/** Builds, boots and tries real kernels, and writes down what they do. */
export function realTester(context: {
  readonly commits: Commits;
  readonly journal: Journal;
  readonly question: Question;
  readonly chosen: ChosenWorkload;
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
      // It was ready before: its kernel cannot be made again only when the cache and the compiler are gone.
      if (known === undefined) return 'void';
      return tryOnce(question.history.ids[commit] ?? '', known, context);
    },
    costs: () => costsOf(journal.facts),
  };
}

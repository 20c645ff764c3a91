import { verdictPhrase } from '../../verdict.ts';
import type { ChosenWorkload } from '../choose-workloads.ts';
import { type CommitLabRequest, prepareCommit, type ReadyCommit } from './commit-lab.ts';
import { endsOf } from './decide.ts';
import { costsOf, type Journal } from './journal.ts';
import type { Question } from './posterior.ts';
import type { Tester } from './search.ts';
import { isSought, outcomeOf, splatsOf } from './sought.ts';

/** Ready commits by index; each is prepared once in a process, and its first preparation is written down. */
export interface Commits {
  readonly prepare: (commit: number) => Promise<ReadyCommit | undefined>;
}

export function commitCache(
  request: CommitLabRequest,
  journal: Journal,
  question: Question,
): Commits {
  const ready = new Map<number, ReadyCommit | undefined>();
  const isKnown = (id: string): boolean =>
    journal.facts.some((fact) => fact.kind === 'built' && fact.commit === id);
  const prepare = async (commit: number): Promise<ReadyCommit | undefined> => {
    const id = question.history.ids[commit] ?? '';
    const startedAt = performance.now();
    const prepared = await prepareCommit(id, request);
    const seconds = (performance.now() - startedAt) / 1000;
    const broken = async (because: string, message: string): Promise<undefined> => {
      await journal.append({ kind: 'broken', commit: id, because, message, seconds });
    };
    if (prepared.kind === 'untestable') {
      return broken(prepared.verdict.because, prepared.verdict.message);
    }
    if (isKnown(id)) return prepared.commit;
    const { image, compiled } = prepared.commit;
    if (commit === endsOf(question).good) {
      const blind = await prepared.commit.blindness();
      if (blind !== undefined) {
        return broken(verdictPhrase(blind), 'message' in blind ? blind.message : '');
      }
    }
    await journal.append({ kind: 'built', commit: id, image, compiled, seconds });
    return prepared.commit;
  };
  return {
    prepare: async (commit) => {
      if (!ready.has(commit)) ready.set(commit, await prepare(commit));
      return ready.get(commit);
    },
  };
}

/** Builds, boots and tries real kernels, and writes down what they do. */
export function realTester(context: {
  readonly commits: Commits;
  readonly journal: Journal;
  readonly question: Question;
  readonly chosen: ChosenWorkload;
  readonly text: string;
}): Tester {
  const { commits, journal, question, chosen, text } = context;
  const idOf = (commit: number): string => question.history.ids[commit] ?? '';
  return {
    prepare: async (commit) => {
      const ready = await commits.prepare(commit);
      return ready === undefined
        ? { kind: 'broken', commit }
        : { kind: 'built', commit, image: ready.image };
    },
    trial: async (commit) => {
      const ready = await commits.prepare(commit);
      // It was ready before: its kernel cannot be made again only when the cache and the compiler are gone.
      if (ready === undefined) return 'void';
      const index = journal.facts.filter(
        (fact) => fact.kind === 'trial' && fact.commit === idOf(commit),
      ).length;
      const startedAt = performance.now();
      const trial = await ready.run(chosen, index);
      const atBoot = ready.bootSplats.some((splat) => isSought(splat, text));
      await journal.append({
        kind: 'trial',
        commit: idOf(commit),
        workload: chosen.workload.name,
        outcome: atBoot ? 'hit' : outcomeOf(trial, text),
        others: [...ready.bootSplats, ...splatsOf(trial)]
          .filter((splat) => !isSought(splat, text))
          .map(({ title }) => title),
        seconds: (performance.now() - startedAt) / 1000,
      });
      const fact = journal.facts.at(-1);
      return fact?.kind === 'trial' ? fact.outcome : 'void';
    },
    costs: () => costsOf(journal.facts),
  };
}

import type { BisectFact } from '../../records/bisect-journal.ts';
import type { ChosenWorkload } from '../../trial/chosen-workload.ts';
import { bootOf, bootWorkload } from '../../trial/ready-kernel.ts';
import { endsOf } from './decide.ts';
import type { Journal } from './journal.ts';
import type { Question } from './posterior.ts';
import { isTargetSplat, splatsOf } from './target-splat.ts';
import type { Commits } from './tester.ts';

/**
 * The splat that the bisection looks for (its full signature or a part of its title), and the workload that shows it (`boot` for
 * a boot alone).
 */
export interface TargetSplat {
  readonly text: string;
  readonly workload: string;
}

function isLook({ kind }: BisectFact): boolean {
  return kind === 'looked';
}

/**
 * Returns the splat and the workload that shows it on the bad end: from the journal; or without any trial, when the signature and
 * a single workload are given; or by trying the workloads in turn. Without a signature, the first splat that is seen is taken.
 * Undefined when the bad end cannot be tested, or when no workload shows the splat within `rounds`. These trials do not count for
 * the rate: the first trial that showed the splat ended them.
 */
export async function findTargetSplat(
  signature: string | undefined,
  context: {
    readonly candidates: readonly ChosenWorkload[];
    /** Number of rounds through all candidates. */
    readonly rounds: number;
    readonly journal: Journal;
    readonly commits: Commits;
    readonly question: Question;
  },
): Promise<TargetSplat | undefined> {
  const { candidates, rounds, journal, commits, question } = context;
  const before = journal.facts.findLast((fact) => fact.kind === 'sought');
  if (before !== undefined) return before;
  const [only, ...more] = candidates;
  const { bad } = endsOf(question);
  if (signature !== undefined && only !== undefined && more.length === 0) {
    const target = { text: signature, workload: only.workload.name };
    await journal.append({ kind: 'sought', ...target });
    return target;
  }
  const known = await commits.prepare(bad);
  if (known === undefined) return undefined;
  const { ready } = known;
  const commit = question.history.ids[bad] ?? '';
  for (;;) {
    const turn = journal.facts.filter(isLook).length;
    const chosen = candidates[turn % candidates.length];
    const round = Math.floor(turn / candidates.length);
    if (chosen === undefined || round >= rounds) return undefined;
    const startedAt = performance.now();
    const trial = await ready.run(chosen, round);
    const seconds = (performance.now() - startedAt) / 1000;
    const { name: workload } = chosen.workload;
    await journal.append({ kind: 'looked', commit, workload, seconds });
    const atBoot = (await ready.bootAgain(bootOf(round))) ?? [];
    const isOne = (splat: Parameters<typeof isTargetSplat>[0]): boolean =>
      signature === undefined || isTargetSplat(splat, signature);
    const booted = atBoot.find(isOne);
    const first = booted ?? splatsOf(trial).find(isOne);
    if (first === undefined) continue;
    const shownBy = booted === undefined ? workload : bootWorkload;
    const target = { text: signature ?? first.title, workload: shownBy };
    await journal.append({ kind: 'sought', ...target });
    return target;
  }
}

import type { BisectFact } from '../../records/bisect-journal.ts';
import type { TrialResult } from '../../records/trial.ts';
import type { ChosenWorkload } from '../../trial/chosen-workload.ts';
import { bootOf, bootWorkload } from '../../trial/ready-kernel.ts';
import { verdictPhrase } from '../../verdict.ts';
import { endsOf } from './decide.ts';
import { type Counts, isBlind } from './evidence.ts';
import type { Journal } from './journal.ts';
import type { Question } from './posterior.ts';
import { isTargetSplat, outcomeOf, splatsOf } from './target-splat.ts';
import type { Commits } from './tester.ts';

/**
 * The splat that a bisection looks for. `text` is the splat's full signature or a part of its title. `workload` is the name of the
 * workload that shows the splat, or `boot` when a boot alone shows the splat.
 */
export interface TargetSplat {
  readonly text: string;
  readonly workload: string;
}

/**
 * Counts the trials in which the bad end ran `workload` before any trial had shown the splat. `misses` could have shown the splat,
 * `voids` could not, and `hits` is always 0.
 */
export function countLooks(facts: readonly BisectFact[], workload: string): Counts {
  const own = facts.flatMap((fact) =>
    fact.kind === 'looked' && fact.workload === workload ? [fact.because] : [],
  );
  const misses = own.filter((because) => because === undefined).length;
  return { hits: 0, misses, voids: own.length - misses };
}

/**
 * Returns the workload with the fewest trials so far, and the number of its trials as `round`. A workload is left out after
 * `rounds` trials, or when almost none of its trials could have shown a splat. Returns undefined when no workload remains.
 */
function nextLook(
  candidates: readonly ChosenWorkload[],
  facts: readonly BisectFact[],
  rounds: number,
): { readonly chosen: ChosenWorkload; readonly round: number } | undefined {
  const [next] = candidates
    .map((chosen) => ({ chosen, counts: countLooks(facts, chosen.workload.name) }))
    .filter(({ counts }) => !isBlind(counts))
    .map(({ chosen, counts: { misses, voids } }) => ({ chosen, round: misses + voids }))
    .filter(({ round }) => round < rounds)
    .toSorted((one, other) => one.round - other.round);
  return next;
}

/** Returns why a trial could not have shown the splat `text`, or an empty object when the trial could have shown the splat. */
function voidReason(trial: TrialResult, text: string): { readonly because?: string } {
  if (outcomeOf(trial, text) !== 'void') return {};
  const { verdict } = trial;
  const why = 'message' in verdict ? verdict.message : splatsOf(trial)[0]?.title;
  return { because: `${verdictPhrase(verdict)}: ${why ?? ''}` };
}

/**
 * Returns the splat that a bisection looks for and the workload that shows the splat on the bad end. Both come from the journal
 * when an earlier process found them. A given signature with a single workload needs no trial. Otherwise the workloads take turns,
 * with at most `rounds` trials each. A workload is left out when almost none of its trials could have shown a splat. Without a
 * signature, the first splat counts. Returns undefined when the bad end cannot be tested, or when no workload shows the splat.
 * These trials do not count for the bug's rate, because they end at the first trial that shows the splat.
 */
export async function findTargetSplat(
  signature: string | undefined,
  context: {
    readonly candidates: readonly ChosenWorkload[];
    /** The most trials of each workload. */
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
  // The empty text fits every splat, because it is a part of every title.
  const text = signature ?? '';
  for (;;) {
    const next = nextLook(candidates, journal.facts, rounds);
    if (next === undefined) return undefined;
    const { chosen, round } = next;
    const startedAt = performance.now();
    const trial = await ready.run(chosen, round);
    const seconds = (performance.now() - startedAt) / 1000;
    const { name: workload } = chosen.workload;
    await journal.append({
      kind: 'looked',
      commit,
      workload,
      ...voidReason(trial, text),
      seconds,
    });
    const atBoot = (await ready.bootAgain(bootOf(round))) ?? [];
    const booted = atBoot.find((splat) => isTargetSplat(splat, text));
    const first = booted ?? splatsOf(trial).find((splat) => isTargetSplat(splat, text));
    if (first === undefined) continue;
    const shownBy = booted === undefined ? workload : bootWorkload;
    const target = { text: signature ?? first.title, workload: shownBy };
    await journal.append({ kind: 'sought', ...target });
    return target;
  }
}

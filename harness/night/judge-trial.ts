import type { Verdict, WorkloadEnd } from '../records/verdict.ts';
import { inconclusive, judgeTrial } from '../verdict.ts';
import { median } from './statistics.ts';

/** A splat of a trial. */
export interface TrialSplat {
  /** The splat's signature, or its title when it has no report. */
  readonly key: string;
  readonly title: string;
  /** True when the harness itself knows this splat of this kernel. */
  readonly known: boolean;
}

/** The facts about a trial that a night keeps. */
export interface TrialFacts {
  readonly id: string;
  /** The path of the run directory below the night's folder. */
  readonly run: string;
  readonly seed: number;
  readonly verdict: Verdict;
  readonly end: WorkloadEnd | null;
  readonly deadBefore: readonly string[];
  readonly deadAfter: readonly string[];
  readonly incomplete: readonly string[];
  readonly witnesses: Readonly<Record<string, number>>;
  readonly absentWitnesses: readonly string[];
  /** The first to show comes first. */
  readonly splats: readonly TrialSplat[];
  readonly totalMs: number;
  readonly firstSplatMs: number | null;
}

/** A trial that was judged without the splats that are known. */
export interface JudgedTrial {
  readonly facts: TrialFacts;
  readonly verdict: Verdict;
  readonly fresh: readonly TrialSplat[];
  readonly known: readonly TrialSplat[];
  /** The known splats that ended the trial or its detectors, when nothing else was seen; empty when the trial is not blind. */
  readonly blindBy: readonly TrialSplat[];
}

/**
 * Judges a trial again, without the splats that are known. Any other splat of the trial still decides. `atBoot` are the known
 * splats of its boot, which ended the detectors of all copies.
 */
export function judgeKnowing(
  facts: TrialFacts,
  isKnown: (splat: TrialSplat) => boolean,
  atBoot: readonly TrialSplat[] = [],
): JudgedTrial {
  const { verdict } = facts;
  // Repeated silence is only in the verdict, not among the splats.
  const unsaid =
    verdict.kind === 'splat'
      ? verdict.titles.filter((title) => facts.splats.every((splat) => splat.title !== title))
      : [];
  const all = [...facts.splats, ...unsaid.map((title) => ({ key: title, title, known: false }))];
  const known = all.filter((splat) => splat.known || isKnown(splat));
  const fresh = all.filter((splat) => !known.includes(splat));
  const again = judgeWithout(facts, known, fresh);
  const isBlind = again.kind === 'inconclusive';
  const wasDead =
    again.kind === 'inconclusive' && again.because === 'blind' && facts.deadBefore.length > 0;
  const blinding = wasDead ? [...atBoot, ...known] : known;
  return {
    facts,
    verdict: again,
    fresh: again.kind === 'splat' ? fresh : [],
    known,
    blindBy: isBlind ? blinding : [],
  };
}

function judgeWithout(
  facts: TrialFacts,
  known: readonly TrialSplat[],
  fresh: readonly TrialSplat[],
): Verdict {
  const { verdict, end } = facts;
  // The trial was judged from the start without the splats that the harness itself knows.
  if (known.every((splat) => splat.known)) return verdict;
  if (end !== null) return judgeTrial({ ...facts, end, splats: fresh.map(({ title }) => title) });
  if (fresh.length > 0 || verdict.kind !== 'splat') return verdict;
  return inconclusive('blind', 'a known splat ended the guest before its workload');
}

/** True when a trial showed a splat. */
export function didShow({ fresh, known }: JudgedTrial, key: string): boolean {
  return fresh.some((splat) => splat.key === key) || known.some((splat) => splat.key === key);
}

/** True when a trial could have shown a splat. A trial that another splat ended, or that proves nothing, could not. */
export function couldShow(trial: JudgedTrial, key: string): boolean {
  return didShow(trial, key) || trial.verdict.kind === 'clean';
}

/**
 * The median time until a splat shows, in milliseconds. Only trials count in which it was the first splat, since an earlier splat
 * changes what the guest does; null when it was the first splat of no trial.
 */
export function timeToShow(
  trials: readonly { readonly facts: Pick<TrialFacts, 'splats' | 'firstSplatMs'> }[],
  key: string,
): number | null {
  return median(
    trials.flatMap(({ facts }) => (facts.splats[0]?.key === key ? (facts.firstSplatMs ?? []) : [])),
  );
}

/** The number of trials that showed a splat, and of those that could have shown it. */
export function countAgain(
  trials: readonly TrialFacts[],
  key: string,
): { readonly hits: number; readonly trials: number } {
  const judged = trials.map((facts) => judgeKnowing(facts, (splat) => splat.key !== key));
  return {
    hits: judged.filter((trial) => didShow(trial, key)).length,
    trials: judged.filter((trial) => couldShow(trial, key)).length,
  };
}

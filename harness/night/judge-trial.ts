import type { Verdict, WorkloadEnd } from '../records/verdict.ts';
import { inconclusive, judgeTrial } from '../verdict.ts';
import { median } from './statistics.ts';

/** A splat that a trial showed. */
export interface TrialSplat {
  /** The splat's signature, or its title when it has no report. */
  readonly key: string;
  readonly title: string;
  /** True when this program, and not the user, knows that this kernel prints this splat. */
  readonly known: boolean;
}

/** The facts about a trial by which a night judges it. */
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
  /** The splats of the trial, in the order of their appearance. */
  readonly splats: readonly TrialSplat[];
  readonly totalMs: number;
  readonly firstSplatMs: number | null;
}

/** A trial with its verdict when known splats do not count. */
export interface JudgedTrial {
  readonly facts: TrialFacts;
  readonly verdict: Verdict;
  readonly fresh: readonly TrialSplat[];
  readonly known: readonly TrialSplat[];
  /**
   * The known splats that ended the trial or its detectors, so that the trial proves nothing. Otherwise an empty list: a known
   * splat does not make a witness zero or a workload fail.
   */
  readonly blindBy: readonly TrialSplat[];
}

/**
 * Judges a trial again, so that known splats do not count; any other splat still decides. `atBoot` are the known splats of the
 * boot whose copy ran the trial. These splats ended the detectors in all copies.
 */
export function judgeKnowing(
  facts: TrialFacts,
  isKnown: (splat: TrialSplat) => boolean,
  atBoot: readonly TrialSplat[] = [],
): JudgedTrial {
  const { verdict } = facts;
  // The title of a guest that was silent twice is only in the verdict, not among the splats.
  const unsaid =
    verdict.kind === 'splat'
      ? verdict.titles.filter((title) => facts.splats.every((splat) => splat.title !== title))
      : [];
  const all = [...facts.splats, ...unsaid.map((title) => ({ key: title, title, known: false }))];
  const known = all.filter((splat) => splat.known || isKnown(splat));
  const fresh = all.filter((splat) => !known.includes(splat));
  const again = judgeWithout(facts, known, fresh);
  const because = again.kind === 'inconclusive' ? again.because : undefined;
  const wasDead = because === 'blind' && facts.deadBefore.length > 0;
  const isBlind = because === 'blind' || (because !== undefined && isCutShort(facts));
  const blinding = wasDead ? [...atBoot, ...known] : known;
  return {
    facts,
    verdict: again,
    fresh: again.kind === 'splat' ? fresh : [],
    known,
    blindBy: isBlind ? blinding : [],
  };
}

/**
 * True when a splat of the trial ended its guest or its workload, or left the guest silent. Corrupted data and a leak are
 * splats themselves.
 */
function isCutShort({ end }: TrialFacts): boolean {
  return end !== null && ['lost', 'silent', 'corrupted', 'leaked'].includes(end.kind);
}

function judgeWithout(
  facts: TrialFacts,
  known: readonly TrialSplat[],
  fresh: readonly TrialSplat[],
): Verdict {
  const { verdict, end } = facts;
  // The verdict never counted the splats that this program knows (`known`).
  if (known.every((splat) => splat.known)) return verdict;
  if (end !== null) return judgeTrial({ ...facts, end, splats: fresh.map(({ title }) => title) });
  if (fresh.length > 0 || verdict.kind !== 'splat') return verdict;
  return inconclusive('blind', 'a known splat ended the guest before its workload');
}

/** True when a trial showed the splat `key`. */
export function didShow({ fresh, known }: JudgedTrial, key: string): boolean {
  return fresh.some((splat) => splat.key === key) || known.some((splat) => splat.key === key);
}

/**
 * True when a trial showed the splat `key`, or could have shown it. A trial that another splat ended, or that proves nothing,
 * could not have shown it.
 */
export function couldShow(trial: JudgedTrial, key: string): boolean {
  return didShow(trial, key) || trial.verdict.kind === 'clean';
}

/**
 * Returns the median time, in milliseconds, until the splat `key` shows in a trial. Counts only trials in which this splat was the
 * first, because an earlier splat changes what the guest does. Returns null when there is no such trial.
 */
export function timeToShow(
  trials: readonly { readonly facts: Pick<TrialFacts, 'splats' | 'firstSplatMs'> }[],
  key: string,
): number | null {
  return median(
    trials.flatMap(({ facts }) => (facts.splats[0]?.key === key ? (facts.firstSplatMs ?? []) : [])),
  );
}

/** Returns how many trials showed the splat `key` (`hits`), and how many could have shown it (`trials`). */
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

import type { Verdict, WorkloadEnd } from '../records/verdict.ts';
import { judgeTrial } from '../verdict.ts';

/** A splat of a trial. */
export interface TrialSplat {
  /** Its signature; its title, for what has no report. */
  readonly key: string;
  readonly title: string;
  /** The harness itself knows it of this kernel. */
  readonly known: boolean;
}

/** What a night keeps of a trial. */
export interface TrialFacts {
  readonly id: string;
  /** Below the night's folder. */
  readonly run: string;
  readonly seed: number;
  readonly verdict: Verdict;
  readonly end: WorkloadEnd | null;
  readonly deadBefore: readonly string[];
  readonly deadAfter: readonly string[];
  readonly incomplete: readonly string[];
  readonly witnesses: Readonly<Record<string, number>>;
  readonly absentWitnesses: readonly string[];
  readonly splats: readonly TrialSplat[];
  readonly totalMs: number;
  readonly firstSplatMs: number | null;
}

/** A trial when what is known does not decide. */
export interface JudgedTrial {
  readonly facts: TrialFacts;
  readonly verdict: Verdict;
  readonly fresh: readonly TrialSplat[];
  readonly known: readonly TrialSplat[];
  /** A known splat ended it, or the detectors, and nothing else was seen: it proves nothing about other splats. */
  readonly blind: boolean;
}

/** Judges a trial again, without the splats that are known. Another splat of the same trial decides as ever. */
export function judgeKnowing(
  facts: TrialFacts,
  isKnown: (splat: TrialSplat) => boolean,
): JudgedTrial {
  const { verdict } = facts;
  // Silence that came twice is told by the verdict alone.
  const unsaid =
    verdict.kind === 'splat'
      ? verdict.titles.filter((title) => facts.splats.every((splat) => splat.title !== title))
      : [];
  const all = [...facts.splats, ...unsaid.map((title) => ({ key: title, title, known: false }))];
  const known = all.filter((splat) => splat.known || isKnown(splat));
  const fresh = all.filter((splat) => !known.includes(splat));
  if (known.every((splat) => splat.known) || facts.end === null) {
    const blind = known.length > 0 && verdict.kind === 'inconclusive';
    return { facts, verdict, fresh: verdict.kind === 'splat' ? fresh : [], known, blind };
  }
  const again = judgeTrial({ ...facts, end: facts.end, splats: fresh.map(({ title }) => title) });
  return { facts, verdict: again, fresh, known, blind: again.kind === 'inconclusive' };
}

/** Whether a trial showed a splat. */
export function didShow({ fresh, known }: JudgedTrial, key: string): boolean {
  return fresh.some((splat) => splat.key === key) || known.some((splat) => splat.key === key);
}

/** Whether a trial could have shown a splat: one that another splat ended, or that proves nothing, could not. */
export function couldShow(trial: JudgedTrial, key: string): boolean {
  return didShow(trial, key) || trial.verdict.kind === 'clean';
}

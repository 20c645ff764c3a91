import type { SeriesFact } from '../../records/series-journal.ts';
import type { Evidence } from './evidence.ts';
import { trialsOf } from './evidence.ts';
import type { SeriesLog } from './facts.ts';
import type { JudgedPatch } from './judge.ts';

/**
 * The series without a patch whose splat blinds the trials of those after it. Its prefixes have numbers of their own: 0 is
 * the last testable prefix before the patch that is left out, n has the first n of `patches` on top.
 */
export interface Branch {
  /** `without-7`; part of the names of its trials. */
  readonly name: string;
  /** The patch that is left out, from 1. */
  readonly culprit: number;
  /** How many patches its base has. */
  readonly base: number;
  /** Patches after the culprit, from 1, up to the one that cures its splat. */
  readonly patches: readonly number[];
}

/**
 * The branch that would show more of a series, or undefined: a patch is inconclusive because a splat masks its trials, and
 * the patch that brought the splat is known. `tried` are culprits that were left out before.
 */
export function nextBranch(
  evidence: Evidence,
  judged: readonly JudgedPatch[],
  tried: readonly number[],
): Branch | undefined {
  for (const { index, verdict } of judged) {
    if (verdict !== 'inconclusive') continue;
    const keys = new Set(
      trialsOf(evidence, index).flatMap(({ state, splats }) =>
        state === 'masked' ? splats.map(({ key }) => key) : [],
      ),
    );
    const brings = ({ splats }: JudgedPatch): boolean => splats.some(({ key }) => keys.has(key));
    const culprit = judged.find(
      (one) =>
        one.index < index &&
        (one.verdict === 'introduces' || one.verdict === 'exposes') &&
        brings(one),
    );
    if (culprit === undefined || tried.includes(culprit.index)) continue;
    const cure = judged.find(
      (one) => one.index > culprit.index && one.verdict === 'fixes' && brings(one),
    );
    const base = lastReady(evidence, culprit.index - 1);
    if (base === undefined) continue;
    const last = cure === undefined ? judged.length : cure.index - 1;
    const count = last - culprit.index;
    return {
      name: `${without}${culprit.index}`,
      culprit: culprit.index,
      base,
      patches: Array.from({ length: count }, (_, at) => culprit.index + 1 + at),
    };
  }
  return undefined;
}

const without = 'without-';

type OfPrefix = Extract<SeriesFact, { readonly kind: 'step' | 'trial' }>;

/** Whether the kernel that a fact is about has a patch of the series, counted from 1. */
export function hasPatch(fact: OfPrefix, patch: number): boolean {
  const step = fact.kind === 'step' ? fact.step : fact.trial.step;
  if (fact.branch === undefined) return patch <= step;
  const culprit = Number(fact.branch.slice(without.length));
  // How many patches the base of a branch has is not written down; the series has trials of its own there.
  if (step === 0) return false;
  return patch < culprit || (patch > culprit && patch <= culprit + step);
}

function lastReady({ steps }: Evidence, from: number): number | undefined {
  for (let step = from; step >= 0; step -= 1) {
    if (steps.get(step)?.kind === 'ready') return step;
  }
  return undefined;
}

/** The facts of the series itself, or those of a branch with its own numbers; what is learnt is noted as of it. */
export function viewOf(log: SeriesLog, branch: Branch | undefined): SeriesLog {
  const own = (fact: SeriesLog['facts'][number]): readonly SeriesLog['facts'][number][] => {
    if (fact.kind !== 'step' && fact.kind !== 'trial') return [fact];
    if (fact.branch === branch?.name) return [fact];
    if (branch === undefined || fact.branch !== undefined) return [];
    if (fact.kind === 'step') return fact.step === branch.base ? [{ ...fact, step: 0 }] : [];
    const { trial } = fact;
    return trial.step === branch.base ? [{ ...fact, trial: { ...trial, step: 0 } }] : [];
  };
  const note = (fact: SeriesFact): SeriesFact =>
    branch !== undefined && (fact.kind === 'step' || fact.kind === 'trial')
      ? { ...fact, branch: branch.name }
      : fact;
  return {
    get facts() {
      return log.facts.flatMap(own);
    },
    append: async (fact) => log.append(fact.kind === 'question' ? fact : note(fact)),
  };
}

/** Verdicts of the series, with those of a branch where it knows more: of a patch that is masked with the culprit. */
export function mergeBranch(
  judged: readonly JudgedPatch[],
  branch: Branch,
  apart: readonly JudgedPatch[],
): readonly JudgedPatch[] {
  const note = `tested without patch ${branch.culprit}, whose splat hides it`;
  return judged.map((patch) => {
    const at = branch.patches.indexOf(patch.index);
    const found = apart[at];
    if (patch.verdict !== 'inconclusive' || found === undefined) return patch;
    if (found.verdict === 'inconclusive' || found.verdict === 'untestable') return patch;
    const because = [found.because, note].filter((text) => text !== undefined).join('; ');
    return { ...found, index: patch.index, because };
  });
}

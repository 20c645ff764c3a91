import type { SeriesFact } from '../../records/series-journal.ts';
import type { Evidence } from './evidence.ts';
import { trialsOf } from './evidence.ts';
import type { SeriesLog } from './facts.ts';
import type { JudgedPatch } from './judge.ts';

/**
 * A branch: the series without one patch, whose splat masks the trials of later patches. A branch numbers its prefixes (the
 * kernels with the first N patches) by itself. Prefix 0 is the last booted prefix before the left-out patch. Prefix n has all
 * patches before the left-out patch and the first n of `patches`.
 */
export interface Branch {
  /** `without-7`: a part of the names of the branch's trials. */
  readonly name: string;
  /** The index of the left-out patch, from 1. */
  readonly culprit: number;
  /** How many patches of the series prefix 0 has. */
  readonly base: number;
  /**
   * Indices, from 1, of the patches that the branch adds: those after the left-out patch. They end before the patch that cures
   * the splat of the left-out patch; without a cure they end with the series.
   */
  readonly patches: readonly number[];
}

/**
 * The next branch to walk; undefined when there is none. A branch is needed for a patch that is inconclusive, because a splat
 * masks its trials, when an earlier patch certainly brought this splat. `tried` has the indices of the patches that earlier
 * branches left out.
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

/**
 * True when the kernel of a step or of a trial has the patch with this index, from 1. For prefix 0 of a branch always false,
 * because the journal does not say which prefix of the series that is.
 */
export function hasPatch(fact: OfPrefix, patch: number): boolean {
  const step = fact.kind === 'step' ? fact.step : fact.trial.step;
  if (fact.branch === undefined) return patch <= step;
  const culprit = Number(fact.branch.slice(without.length));
  // The journal does not say which prefix of the series this is; the series itself has trials of that prefix.
  if (step === 0) return false;
  return patch < culprit || (patch > culprit && patch <= culprit + step);
}

function lastReady({ steps }: Evidence, from: number): number | undefined {
  for (let step = from; step >= 0; step -= 1) {
    if (steps.get(step)?.kind === 'ready') return step;
  }
  return undefined;
}

/**
 * A view of the log. Without `branch` it has the facts of the series, with `branch` those of the branch, under the branch's own
 * prefix numbers. Facts that are about no prefix are in every view. Steps and trials that are appended to the view are marked
 * with the branch.
 */
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

/**
 * Replaces inconclusive verdicts of the series by the branch's verdict on the same patch, where the branch has a
 * conclusive one.
 */
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

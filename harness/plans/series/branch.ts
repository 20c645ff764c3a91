import type { SeriesFact } from '../../records/series-journal.ts';
import type { Evidence } from './evidence.ts';
import { trialsOf } from './evidence.ts';
import type { SeriesLog } from './facts.ts';
import type { JudgedPatch } from './judge.ts';

/**
 * A branch: the series without one patch, whose splat masks the trials of later patches. Prefix n of a branch is a kernel with
 * all patches before the left-out patch and the first n of `patches`. Prefix 0 is the last prefix of the series before the
 * left-out patch that booted.
 */
export interface Branch {
  /** The name of the branch, such as `without-7`. The names of its trials contain it. */
  readonly name: string;
  /** The number of the left-out patch in the series, from 1. */
  readonly culprit: number;
  /** The number of patches that prefix 0 of the branch has. */
  readonly base: number;
  /**
   * The numbers, from 1, of the patches that the branch tests. These patches begin after the left-out patch and end with the
   * series, or before a patch that cures the splat of the left-out patch.
   */
  readonly patches: readonly number[];
}

/**
 * The next branch of a series to test; undefined when no branch is needed. A branch leaves out the patch that certainly brought a
 * splat, when this splat masks the trials of a later, inconclusive patch. `tried` has the numbers of the patches that earlier
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
 * True when the kernel that a journal entry is about has the patch with this number, from 1. Always false for prefix 0 of a
 * branch: the journal does not say which prefix of the series it is.
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
 * The part of a series' journal that is about one branch, with the branch's prefix numbers; without `branch`, the part about
 * the series itself. Entries about no prefix are in every part. Steps and trials that are appended to the part are marked
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
 * Replaces the inconclusive verdict of a patch by the verdict that the branch gives this patch, if that verdict is conclusive. A
 * branch without a splat does not refute a splat that the series itself showed: the splat may need the left-out patch. So
 * `unaffected` and `fixes` count only for a patch that is open because its trials are masked, and for no other reason.
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
    const isGuilty = found.verdict === 'introduces' || found.verdict === 'exposes';
    if (!isGuilty && patch.isMasked !== true) return patch;
    const because = [found.because, note].filter((text) => text !== undefined).join('; ');
    return { ...found, index: patch.index, because };
  });
}

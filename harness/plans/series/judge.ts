import { exitCodes } from '../../errors.ts';
import type { StepState } from '../../records/series-journal.ts';
import { bootWorkload } from '../../trial/ready-kernel.ts';
import type { PatchVerdict, Untestable } from '../../verdict.ts';
import { findChanges, type JudgedSplat, patchList } from './changes.ts';
import { classesOf, countHeard, type ReachOf } from './classes.ts';
import { type Located, locateAll } from './decide.ts';
import { type Evidence, neverRan, placesOf, trialsOf } from './evidence.ts';

export interface JudgedPatch {
  /** The number of the patch in the series, from 1. When judgePatches() judges a branch, it is the number in the branch. */
  readonly index: number;
  readonly verdict: PatchVerdict;
  /** The reason for the verdict, in one line; absent when the verdict needs no reason. */
  readonly because?: string;
  /** The stage that stopped the patch before any trial; absent when no stage did. */
  readonly broken?: Untestable['because'];
  /** True when the patch breaks the build or the boot, which worked for the patch before it. */
  readonly breaks: boolean;
  /** The splats that came with the patch. For `fixes`, the splats that the patch removed. Empty for every other verdict. */
  readonly splats: readonly JudgedSplat[];
  /** Present when the patch is inconclusive only because other splats mask its trials. */
  readonly isMasked?: true;
}

export interface JudgeOptions {
  readonly count: number;
  readonly confidence: number;
  readonly workloads: readonly string[];
  /**
   * Returns the number of the patch that a step adds. Absent: step N adds patch N. Needed for a branch, which leaves a patch of
   * the series out.
   */
  readonly patchOf?: (step: number) => number;
  /** Tells whether a workload calls what patches change; absent: this is unknown. */
  readonly reach?: ReachOf;
  /**
   * The steps, from 1, whose patch counts as detector code. When a splat appears with such a patch, the bug was in
   * the kernel before.
   */
  readonly detectors: ReadonlySet<number>;
}

/**
 * The verdicts on the patches of steps 1 to `count`. Each kernel is compared with the last kernel before it that can
 * be tested. Pure.
 */
export function judgePatches(evidence: Evidence, options: JudgeOptions): readonly JudgedPatch[] {
  const located = locateAll(evidence);
  return Array.from({ length: options.count }, (_, at) =>
    judgePatch(at + 1, { evidence, located, options }),
  );
}

interface Bench {
  readonly evidence: Evidence;
  readonly located: readonly Located[];
  readonly options: JudgeOptions;
}

function judgePatch(index: number, bench: Bench): JudgedPatch {
  const { evidence, options } = bench;
  const nothing = { index, breaks: false, splats: [] };
  if (evidence.steps.get(0)?.kind === 'broken') {
    return { ...nothing, verdict: 'inconclusive', because: 'the base cannot be tested' };
  }
  const state = evidence.steps.get(index);
  if (state === undefined) return { ...nothing, verdict: 'inconclusive', because: 'not reached' };
  const patchOf = options.patchOf ?? ((step: number) => step);
  if (state.kind === 'broken') return judgeBroken(index, state.verdict, { evidence, patchOf });
  const places = placesOf(evidence);
  const place = places.indexOf(index);
  const repaired = brokenBefore(index, evidence);
  const repairs = repaired.length === 0 ? [] : [repairLine(index, { evidence, patchOf })];
  if (state.kind === 'same') {
    const because = [...repairs, sameLine(state)].join('; ');
    return { ...nothing, verdict: 'unaffected', because };
  }
  const steps = places.map(patchOf);
  const found = findChanges(place, {
    located: bench.located,
    confidence: options.confidence,
    steps,
  });
  const shared =
    repaired.length > 0
      ? [`it, or ${patchList(repaired.map(patchOf))}, which cannot be tested by itself`]
      : [];
  const word = options.detectors.has(index) ? 'exposes' : 'introduces';
  if (found.came.length > 0) {
    return { ...nothing, verdict: word, splats: found.came, ...becauseOf(shared) };
  }
  const silent = unheard(index, bench);
  const others = [...found.doubts, ...unproved(state)];
  const open = [...found.doubts, ...silent.map(({ line }) => line), ...unproved(state)];
  if (open.length > 0) {
    const isMasked = others.length === 0 && silent.every((one) => one.isMasked);
    const why = { ...becauseOf(open), ...(isMasked ? { isMasked } : {}) };
    return { ...nothing, verdict: 'inconclusive', ...why };
  }
  if (found.went.length > 0) {
    return { ...nothing, verdict: 'fixes', splats: found.went, ...becauseOf(shared) };
  }
  return { ...nothing, verdict: 'unaffected', ...becauseOf(repairs) };
}

function becauseOf(lines: readonly string[]): { readonly because?: string } {
  return lines.length === 0 ? {} : { because: lines.join('; ') };
}

/** What is known about the kernels of a series, with a function that gives the patch number of each step. */
interface Named {
  readonly evidence: Evidence;
  readonly patchOf: (step: number) => number;
}

function judgeBroken(
  index: number,
  verdict: Untestable,
  { evidence, patchOf }: Named,
): JudgedPatch {
  const before = evidence.steps.get(index - 1);
  const isOwn = before !== undefined && before.kind !== 'broken';
  const blocks = verdict.because === 'build' || verdict.because === 'boot';
  const line = `${verdict.because}: ${verdict.message}`;
  const first = firstBroken(index, evidence);
  const since = first === 0 ? 'as the base' : `since patch ${patchOf(first)}`;
  return {
    index,
    verdict: 'untestable',
    because: isOwn ? line : `${line} (${since})`,
    broken: verdict.because,
    breaks: isOwn && blocks,
    splats: [],
  };
}

/** Returns the first kernel of the unbroken row of untestable kernels that ends with the kernel `index`. */
function firstBroken(index: number, { steps }: Evidence): number {
  let first = index;
  while (first > 0 && steps.get(first - 1)?.kind === 'broken') first -= 1;
  return first;
}

/**
 * The unbroken row of steps, from 1, directly before `index` whose kernels cannot be tested. Empty when the kernel directly before
 * `index` can be tested.
 */
function brokenBefore(index: number, evidence: Evidence): readonly number[] {
  if (evidence.steps.get(index - 1)?.kind !== 'broken') return [];
  const first = Math.max(1, firstBroken(index - 1, evidence));
  return Array.from({ length: index - first }, (_, at) => first + at);
}

function repairLine(index: number, { evidence, patchOf }: Named): string {
  const first = firstBroken(index - 1, evidence);
  const state = evidence.steps.get(first);
  const what = state?.kind === 'broken' ? state.verdict.because : 'build';
  return `repairs the ${what} that patch ${patchOf(first)} broke`;
}

const sameWords = {
  image: 'its image is the same to the byte: not run again',
  comments: 'changes comments alone: not run again',
  documents: 'changes nothing that is built: not run again',
} as const;

function sameLine({ why }: Extract<StepState, { kind: 'same' }>): string {
  return sameWords[why];
}

/**
 * A line for each workload that leaves a patch open: no trial of the workload could have shown a splat, on this kernel or on
 * another kernel of its class. There is no line for a workload that does not call what the patch changes, or that could run neither
 * here nor on an earlier kernel.
 */
function unheard(index: number, { evidence, options }: Bench): readonly Unheard[] {
  const trials = trialsOf(evidence, index);
  const places = placesOf(evidence);
  const last = places[places.indexOf(index) - 1] ?? 0;
  const before = places
    .filter((place) => place < index)
    .flatMap((place) => trialsOf(evidence, place));
  const reach: ReachOf = options.reach ?? (() => 'unknown');
  const able = options.workloads.filter((workload) => !neverRan(evidence, workload));
  return able.flatMap((workload) => {
    const own = trials.filter((trial) => trial.workload === workload);
    if (own.some(({ state }) => state === 'heard')) return [];
    const isGone = own.some(({ state }) => state === 'not-run');
    const classes = classesOf(evidence, workload, reach);
    const like = classes.find((one) => one.includes(index)) ?? [];
    if (!isGone && countHeard(evidence, workload, like) > 0) return [];
    if (!isGone && workload !== bootWorkload && reach(last, index, workload) === 'no') return [];
    const skipped = own.find(({ state }) => state === 'not-run');
    if (skipped !== undefined) {
      // A workload that could never run says nothing against a patch. When the workload ran before and a patch removes what it
      // needs, the patch is not clean.
      const ran = before.some((one) => one.workload === workload && one.state === 'heard');
      return ran
        ? [toLine(workload, `ran before, and now cannot (${skipped.because ?? 'not run'})`)]
        : [];
    }
    const latest = own.findLast(({ because }) => because !== undefined);
    const masked = own.find(({ state }) => state === 'masked');
    return masked === undefined
      ? [toLine(workload, latest?.because ?? 'not tried')]
      : [{ ...toLine(workload, `masked: ${masked.because}`), isMasked: true }];
  });
}

/** Why a workload leaves a patch open. */
interface Unheard {
  readonly line: string;
  readonly isMasked: boolean;
}

function toLine(workload: string, why: string): Unheard {
  return { line: `${workload}: ${why}`, isMasked: false };
}

function unproved({ unproved: missed }: Extract<StepState, { kind: 'ready' }>): readonly string[] {
  return missed.length === 0 ? [] : [`canary-missed: ${missed.join(', ')}`];
}

/**
 * The exit code of `splat series`: 1 when a patch introduces or exposes a splat, or breaks a build or boot; otherwise 125 when the
 * base or a patch is untestable or inconclusive; otherwise 0.
 */
export function exitCodeOfSeries(
  base: StepState | undefined,
  patches: readonly JudgedPatch[],
): number {
  if (
    patches.some(
      ({ verdict, breaks }) => breaks || verdict === 'introduces' || verdict === 'exposes',
    )
  ) {
    return exitCodes.splat;
  }
  const isOpen = ({ verdict }: JudgedPatch): boolean =>
    verdict === 'inconclusive' || verdict === 'untestable';
  return base?.kind !== 'ready' || patches.some(isOpen) ? exitCodes.skip : exitCodes.clean;
}

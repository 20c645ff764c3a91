import { exitCodes } from '../../errors.ts';
import type { StepState } from '../../records/series-journal.ts';
import type { PatchVerdict, Untestable } from '../../verdict.ts';
import { type Located, locateAll } from './decide.ts';
import { type Evidence, placesOf, trialsOf } from './evidence.ts';

export interface JudgedPatch {
  /** From 1. */
  readonly index: number;
  readonly verdict: PatchVerdict;
  /** One line; absent where there is nothing to add. */
  readonly because?: string;
  /** Where it is stopped before any trial; absent: it is not. */
  readonly broken?: Untestable['because'];
  /** It breaks a build or a boot that its predecessor had. */
  readonly breaks: boolean;
  /** What appeared, or for `fixes` what went. */
  readonly splats: readonly JudgedSplat[];
}

export interface JudgedSplat {
  readonly title: string;
  readonly signature: string;
  /** Equal for what counts as one splat. */
  readonly key: string;
  /** How often a kernel that has it shows it in a trial of these workloads. */
  readonly rate: number;
  /** How probable it is that this patch is the one. */
  readonly confidence: number;
  readonly workloads: readonly string[];
}

export interface JudgeOptions {
  readonly count: number;
  readonly confidence: number;
  readonly workloads: readonly string[];
  /** The patch that a step adds, counted in the series: in a branch it is another than the step. Absent: the same. */
  readonly patchOf?: (step: number) => number;
  /** Patches that change detector code and nothing else, from 1: what appears with them was there before. */
  readonly detectors: ReadonlySet<number>;
}

/** A splat that a patch brought with less certainty than this is nobody's worry. */
const doubt = 0.05;

/** The verdict of every patch, each against the last prefix before it that could be tested. Pure. */
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
  const found = findChanges(place, bench);
  const shared =
    repaired.length > 0
      ? [`it, or ${patchList(repaired.map(patchOf))}, which cannot be tested by itself`]
      : [];
  const word = options.detectors.has(index) ? 'exposes' : 'introduces';
  if (found.came.length > 0) {
    return { ...nothing, verdict: word, splats: found.came, ...becauseOf(shared) };
  }
  const open = [...found.doubts, ...unheard(index, bench), ...unproved(state)];
  if (open.length > 0) return { ...nothing, verdict: 'inconclusive', ...becauseOf(open) };
  if (found.went.length > 0) {
    return { ...nothing, verdict: 'fixes', splats: found.went, ...becauseOf(shared) };
  }
  return { ...nothing, verdict: 'unaffected', ...becauseOf(repairs) };
}

function becauseOf(lines: readonly string[]): { readonly because?: string } {
  return lines.length === 0 ? {} : { because: lines.join('; ') };
}

/** Steps, and what they are called. */
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

/** The first of the broken prefixes that end at `index`. */
function firstBroken(index: number, { steps }: Evidence): number {
  let first = index;
  while (first > 0 && steps.get(first - 1)?.kind === 'broken') first -= 1;
  return first;
}

/** The patches directly before `index` whose prefixes cannot be tested. */
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

function patchList(indices: readonly number[]): string {
  return `patch ${indices.join(' or ')}`;
}

const sameWords = {
  image: 'its image is the same to the byte: not run again',
  comments: 'changes comments alone: not run again',
  documents: 'changes nothing that is built: not run again',
} as const;

function sameLine({ why }: Extract<StepState, { kind: 'same' }>): string {
  return sameWords[why];
}

/** What came and went with the patch at a place of the chain, and what may have. */
function findChanges(
  place: number,
  { located, options }: Bench,
): {
  readonly came: readonly JudgedSplat[];
  readonly went: readonly JudgedSplat[];
  readonly doubts: readonly string[];
} {
  const came: JudgedSplat[] = [];
  const went: JudgedSplat[] = [];
  const doubts: string[] = [];
  for (const one of located) {
    for (const [chances, list, verb] of [
      [one.presence.came, came, 'brings'],
      [one.presence.went, went, 'cures'],
    ] as const) {
      const chance = chances[place] ?? 0;
      if (chance >= options.confidence) list.push(toSplat(one, chance));
      else if (chance > doubt) {
        doubts.push(`${verb} "${one.suspect.title}" with a chance of ${percent(chance)}`);
      }
    }
  }
  return { came, went, doubts };
}

function toSplat({ suspect, presence }: Located, confidence: number): JudgedSplat {
  const { title, signature, key, workloads } = suspect;
  return { title, signature, key, rate: presence.rate, confidence, workloads };
}

function percent(chance: number): string {
  return `${Math.round(chance * 100)} %`;
}

/** The workloads that never had a trial on this prefix that could have shown something, and why. */
function unheard(index: number, { evidence, options }: Bench): readonly string[] {
  const trials = trialsOf(evidence, index);
  const before = placesOf(evidence)
    .filter((place) => place < index)
    .flatMap((place) => trialsOf(evidence, place));
  return options.workloads.flatMap((workload) => {
    const own = trials.filter((trial) => trial.workload === workload);
    if (own.some(({ state }) => state === 'heard')) return [];
    const skipped = own.find(({ state }) => state === 'not-run');
    if (skipped !== undefined) {
      // One that never could run is nobody's; a patch that takes away what it needs is not clean for it.
      const ran = before.some((one) => one.workload === workload && one.state === 'heard');
      return ran
        ? [`${workload}: ran before, and now cannot (${skipped.because ?? 'not run'})`]
        : [];
    }
    const last = own.findLast(({ because }) => because !== undefined);
    const masked = own.find(({ state }) => state === 'masked');
    const why = masked === undefined ? (last?.because ?? 'not tried') : `masked: ${masked.because}`;
    return [`${workload}: ${why}`];
  });
}

function unproved({ unproved: missed }: Extract<StepState, { kind: 'ready' }>): readonly string[] {
  return missed.length === 0 ? [] : [`canary-missed: ${missed.join(', ')}`];
}

/** The exit code of a series: 1 for what a patch brings or breaks, 125 for what proves nothing, else 0. */
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

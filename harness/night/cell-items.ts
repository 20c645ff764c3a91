import type { KnownIssue } from '../records/known-issues.ts';
import type { CellClass, NightItem, NightRange } from '../records/night.ts';
import type { Untestable } from '../records/verdict.ts';
import type { NamedCell } from './cells.ts';
import type { IssueJudgement, IssuePast } from './judge-issue.ts';
import {
  couldShow,
  didShow,
  type JudgedTrial,
  type TrialFacts,
  type TrialSplat,
} from './judge-trial.ts';
import { rateInterval } from './statistics.ts';

/** The kernel of a cell in this night. A field is null when the night did not get that far. */
export interface CellKernel {
  readonly sha: string | null;
  readonly source: string | null;
  readonly release: string | null;
  readonly kernelId: string | null;
  readonly image: string | null;
  readonly ranOn: string | null;
  /**
   * Digests of what the kernel was configured with, by name: the fragments, and the file of `--config-base`. They are for the history;
   * no judgement uses them. Absent: the kernel was not built, or was found by its key alone.
   */
  readonly fragments?: Readonly<Record<string, string>>;
}

/** What a night found in a cell. */
export interface CellInput {
  readonly cell: NamedCell;
  readonly kernel: CellKernel;
  /** How many trials were planned; 0 when the budget left the cell out. */
  readonly planned: number;
  readonly trials: readonly TrialFacts[];
  /** True when the budget ended before all planned trials had run. */
  readonly cutShort: boolean;
  /** The reason why no workload could run on the kernel; absent when workloads could run. */
  readonly untestable?: Untestable;
  /** What failed in the harness or the host, with the path of a log; absent when nothing failed. */
  readonly failure?: { readonly message: string; readonly log: string };
  /** The controls that the cell's guests missed, with the reasons. */
  readonly missedControls: readonly string[];
  /**
   * The splats of the boots of the cell's guests. Cells that differ only in their workload share boots; only one of these cells
   * has the splats.
   */
  readonly bootSplats: readonly TrialSplat[];
  /**
   * True when tonight's commit descends from the commit on which the cell was last tested, as far as the tree shows it. False
   * when one of the two has no commit.
   */
  readonly isForward: boolean;
}

/** What earlier nights know of a cell. */
export interface CellPast {
  /** The last closed night in which the cell ran. Absent: it never ran. */
  readonly tested?: {
    readonly night: string;
    readonly sha: string | null;
    readonly source?: string | null;
    readonly kernelId?: string | null;
  };
  /**
   * The last closed night with a result that says something about the kernel; `infrastructure`, `notRun` and `disappeared` do
   * not. Absent: there is none.
   */
  readonly last?: { readonly night: string; readonly verdict: string; readonly because: string };
  readonly issues: readonly IssuePast[];
}

/** What the judgement of every cell needs to know of the night. */
export interface NightContext {
  readonly night: string;
  readonly nowMs: number;
  readonly known: readonly KnownIssue[];
  /** True when the matrix names its workloads; then a workload that cannot run decides the verdict. */
  readonly workloadsNamed: boolean;
  /**
   * The keys that a splat had under earlier rules of signatures, by its present key; an entry of the file of known issues may
   * still use one of them.
   */
  readonly formerKeys?: ReadonlyMap<string, readonly string[]>;
  /** How many statistical tests are made in this night: the number of open issues or of cells, whichever is larger. */
  readonly tests: number;
}

/** The history of a cell's issue after this night. `hits` and `trials` count this night alone. */
export interface IssueUpdate extends Omit<IssuePast, 'nights'> {
  readonly cell: string;
  readonly hits: number;
  readonly trials: number;
}

/** Each splat once: the splats of this night, and the open issues of earlier nights, which may be gone. */
export function splatsOf(
  trials: readonly JudgedTrial[],
  boot: readonly TrialSplat[],
  past: CellPast,
): readonly TrialSplat[] {
  const all = [
    ...past.issues
      .filter(({ state }) => state === 'open')
      .map(({ key, title }) => ({ key, title, known: false })),
    ...trials.flatMap(({ fresh, known }) => [...fresh, ...known]),
    ...boot,
  ];
  return [...new Map(all.map((splat) => [splat.key, splat])).values()];
}

/** How many trials of a cell showed the splat `key`, and how many could have. A boot that showed it counts as one trial more. */
export function countOf(
  key: string,
  trials: readonly JudgedTrial[],
  boot: readonly TrialSplat[],
): { readonly hits: number; readonly trials: number } {
  const atBoot = boot.some((splat) => splat.key === key) ? 1 : 0;
  return {
    hits: trials.filter((trial) => didShow(trial, key)).length + atBoot,
    trials: trials.filter((trial) => couldShow(trial, key)).length + atBoot,
  };
}

/**
 * The list of the night (`new`, `known`, ...) on which a splat of a cell belongs; undefined for a splat that belongs on no list.
 * `isSeen`: this night showed the splat. `entry` is the unexpired entry of the file of known issues about the splat, `over` the
 * expired entry.
 */
export function listOf(
  judgement: IssueJudgement,
  splat: TrialSplat,
  {
    isSeen,
    entry,
    over,
  }: {
    readonly isSeen: boolean;
    readonly entry: KnownIssue | undefined;
    readonly over: KnownIssue | undefined;
  },
): CellClass | undefined {
  if (judgement.class === 'gone' || judgement.class === 'rateChanged') {
    return over !== undefined && isSeen ? 'back' : judgement.class;
  }
  if (!isSeen) return undefined;
  if (entry !== undefined || splat.known) return 'known';
  if (over !== undefined) return 'back';
  return judgement.class === 'new' || judgement.class === 'back' ? judgement.class : 'known';
}

/** The fields that an item takes from an entry of the file of known issues. `isOver`: the entry has expired. */
export function entryFields(entry: KnownIssue | undefined, isOver: boolean): Partial<NightItem> {
  if (entry === undefined) return {};
  const { reason, link, owner, expires } = entry;
  return {
    reason,
    expires,
    ...(link === undefined ? {} : { link }),
    ...(owner === undefined ? {} : { owner }),
    ...(isOver ? { because: `it was known until ${expires}` } : {}),
  };
}

/** The range of commits and nights from the last night that tested a cell to this one. */
export function rangeOf({ kernel, isForward }: CellInput, { tested }: CellPast): NightRange {
  return {
    from: tested?.sha ?? null,
    fromNight: tested?.night ?? null,
    to: kernel.sha,
    isKnown: isForward,
    ...changeOf(kernel, tested),
  };
}

/**
 * What else changed of the kernel when its commit did not change: `none` for the same kernel. The result has no field when the
 * commits differ, or when one of the two kernels is not known.
 */
export function changeOf(
  now: Pick<CellKernel, 'sha' | 'source' | 'kernelId'>,
  then: Omit<NonNullable<CellPast['tested']>, 'night'> | undefined,
): Pick<NightRange, 'change'> {
  const { source = null, kernelId = null, sha = null } = then ?? {};
  if (kernelId === null || now.kernelId === null) return {};
  if (kernelId === now.kernelId) return { change: 'none' };
  if (sha !== now.sha) return {};
  if (source === now.source || source === null || now.source === null) {
    return { change: 'its configuration, its patches or the compiler' };
  }
  return { change: `${source} became ${now.source}` };
}

/** The item for a splat of a cell. `seen` are the counts of this night. */
export function itemOf(
  splat: TrialSplat,
  seen: { readonly hits: number; readonly trials: number },
  {
    before,
    judgement,
    input,
    past,
    context,
  }: {
    readonly before: IssuePast | undefined;
    readonly judgement: IssueJudgement;
    readonly input: CellInput;
    readonly past: CellPast;
    readonly context: NightContext;
  },
): NightItem {
  const isUnsaid = splat.key === splat.title;
  const shown = input.trials.find(({ splats, verdict }) =>
    isUnsaid
      ? verdict.kind === 'splat' && verdict.titles.includes(splat.title)
      : splats.some(({ key }) => key === splat.key),
  );
  const told =
    judgement.class === 'gone' || judgement.class === 'rateChanged'
      ? { sure: judgement.sure, rateBefore: judgement.before.hits / judgement.before.trials }
      : {};
  const now = judgement.class === 'rateChanged' ? judgement.now : seen;
  const isNews = judgement.class === 'new' || judgement.class === 'back';
  return {
    signature: isUnsaid ? '' : splat.key,
    title: splat.title,
    cell: input.cell.id,
    ...(now.trials === 0
      ? {}
      : { rate: now.hits / now.trials, interval: rateInterval(now), ...now }),
    ...told,
    firstSeen: before?.firstSeen ?? context.night,
    lastSeen: seen.hits > 0 ? context.night : (before?.lastSeen ?? context.night),
    ...(isNews ? { range: rangeOf(input, past) } : {}),
    ...(shown === undefined ? {} : { run: shown.run }),
  };
}

/** What the history stores of a splat of a cell after this night. */
export function updateOf(
  { key, title }: TrialSplat,
  { hits, trials }: { readonly hits: number; readonly trials: number },
  before: IssuePast | undefined,
  judgement: IssueJudgement,
  { cell }: CellInput,
  { night }: NightContext,
): IssueUpdate {
  const isAnew = before === undefined || judgement.class === 'back';
  return {
    cell: cell.id,
    key,
    title,
    state: judgement.class === 'gone' ? 'gone' : 'open',
    firstSeen: before?.firstSeen ?? night,
    lastSeen: hits > 0 ? night : (before?.lastSeen ?? night),
    since: isAnew ? night : judgement.class === 'rateChanged' ? judgement.since : before.since,
    hits,
    trials,
  };
}

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

/** The kernel of a cell in this night. A field is null when the night did not get far enough to find it out. */
export interface CellKernel {
  readonly sha: string | null;
  readonly source: string | null;
  readonly release: string | null;
  readonly kernelId: string | null;
  readonly image: string | null;
  readonly ranOn: string | null;
  /**
   * The digests of the files that configured the kernel (the fragments, and the file of `--config-base`), by the file's name. Only
   * the history uses these digests. Absent: the kernel was not built, or was found by its key alone.
   */
  readonly fragments?: Readonly<Record<string, string>>;
}

/** What a night found in a cell (one combination of kernel, guest and workload). */
export interface CellInput {
  readonly cell: NamedCell;
  readonly kernel: CellKernel;
  /** How many trials the night had planned. 0: the cell did not fit the night's budget. */
  readonly planned: number;
  readonly trials: readonly TrialFacts[];
  /** True when the night's budget was spent before all planned trials had run. */
  readonly cutShort: boolean;
  /** True when the budget ended while the cell's kernel was built or booted, before any trial of the cell. Absent: false. */
  readonly begun?: boolean;
  /** Why no workload could run on the kernel, for example a failed build. Absent: workloads could run. */
  readonly untestable?: Untestable;
  /** What failed in the harness or on the host, and the path of a log about this failure. Absent: nothing failed. */
  readonly failure?: { readonly message: string; readonly log: string };
  /** The controls (trials with a seeded bug) whose bug the cell's kernel did not report, with the reasons. */
  readonly missedControls: readonly string[];
  /**
   * The splats that the boots of the cell's guests showed. Cells that differ only in their workload share boots; of these cells,
   * only one has the splats here.
   */
  readonly bootSplats: readonly TrialSplat[];
  /**
   * True when the tree shows that tonight's commit descends from the commit of the night `passed` of the cell's past. False
   * otherwise, and when one of the two kernels has no commit.
   */
  readonly isForward: boolean;
  /** The same as `isForward`, but for the commit of the night `tested`. Absent: the value of `isForward`. */
  readonly isForwardSinceTested?: boolean;
}

/** An earlier night that ran a cell, and the kernel on which the cell ran. */
export interface PastNight {
  readonly night: string;
  readonly sha: string | null;
  readonly source?: string | null;
  readonly kernelId?: string | null;
}

/** What earlier nights know about a cell (one combination of kernel, guest and workload). */
export interface CellPast {
  /** The last closed night in which the cell ran. Absent: the cell never ran. */
  readonly tested?: PastNight;
  /**
   * The last closed night in which a splat of the cell could have shown: some trial of the cell was clean when known splats do not
   * count, and no control was missed. Absent: there is no such night.
   */
  readonly passed?: PastNight;
  /**
   * The last closed night in which the workload came to an end in a trial. `ran` is false when the workload reported in every trial
   * that it cannot run on the kernel. Absent: there is no such night.
   */
  readonly tried?: { readonly night: string; readonly ran: boolean };
  /**
   * The last closed night whose result for the cell says something about the kernel: the class of the result is not
   * `infrastructure`, `notRun` or `disappeared`. Absent: there is no such night.
   */
  readonly last?: { readonly night: string; readonly verdict: string; readonly because: string };
  readonly issues: readonly IssuePast[];
}

/** The facts about the night as a whole that the judgement on each cell uses. */
export interface NightContext {
  readonly night: string;
  readonly nowMs: number;
  readonly known: readonly KnownIssue[];
  /** True when the matrix names its workloads. Then a workload that cannot run on a kernel makes its cell inconclusive. */
  readonly workloadsNamed: boolean;
  /**
   * The signatures that a splat had under earlier rules, by the splat's present signature. An entry of the file of known issues
   * may still have an old signature.
   */
  readonly formerKeys?: ReadonlyMap<string, readonly string[]>;
  /** How many statistical tests the night makes: the number of open issues or the number of cells, whichever is larger. */
  readonly tests: number;
}

/** What the history stores about a splat of a cell after this night. `hits` and `trials` count this night alone. */
export interface IssueUpdate extends Omit<IssuePast, 'nights'> {
  readonly cell: string;
  readonly hits: number;
  readonly trials: number;
}

/**
 * Returns the splats of a cell, each once: the splats that this night showed, and the open issues of earlier nights, which this
 * night may not have shown.
 */
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

/**
 * Returns how many trials of a cell showed the splat `key` (`hits`), and how many trials could have shown the splat (`trials`). A
 * boot that showed the splat counts as one more trial.
 */
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
 * Returns the list of the night's report (`new`, `known`, ...) on which a splat of a cell belongs. Returns undefined when the splat
 * belongs on no list. `isSeen`: this night showed the splat. `entry`: the unexpired entry about the splat in the file of known
 * issues. `over`: the expired entry about the splat.
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

/** Returns the fields that an item takes from an entry of the file of known issues. `isOver`: the entry has expired. */
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

/**
 * Returns the range of commits and nights in which something happened to a cell: from the earlier night `from` to this night.
 * `isForward`: this night's commit descends from the commit of the earlier night.
 */
export function rangeOf(
  { kernel }: CellInput,
  from: PastNight | undefined,
  isForward: boolean,
): NightRange {
  return {
    from: from?.sha ?? null,
    fromNight: from?.night ?? null,
    to: kernel.sha,
    isKnown: isForward,
    ...changeOf(kernel, from),
  };
}

/**
 * Returns the field `change`: what else changed in a kernel whose commit stayed the same, such as its configuration. `none`: the
 * kernel is the same. Returns no field when the commits differ, or when one of the two kernels is not known.
 */
export function changeOf(
  now: Pick<CellKernel, 'sha' | 'source' | 'kernelId'>,
  then: Omit<PastNight, 'night'> | undefined,
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

/** Returns the item about a splat of a cell, for one of the night's lists. `seen` has the counts of this night. */
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
    ...(isNews ? { range: rangeOf(input, past.passed, input.isForward) } : {}),
    ...(shown === undefined ? {} : { run: shown.run }),
  };
}

/** Returns what the history stores about a splat of a cell after this night. `hits` and `trials` count this night alone. */
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

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

/** What a cell's kernel was, this night. Null where it did not get that far. */
export interface CellKernel {
  readonly sha: string | null;
  readonly source: string | null;
  readonly release: string | null;
  readonly kernelId: string | null;
  readonly image: string | null;
  readonly ranOn: string | null;
  /** Digests of what it was configured with, by name; absent: not known. */
  readonly fragments?: Readonly<Record<string, string>>;
}

/** What a night has of a cell. */
export interface CellInput {
  readonly cell: NamedCell;
  readonly kernel: CellKernel;
  /** Trials that were to be run; 0: the budget left the cell out. */
  readonly planned: number;
  readonly trials: readonly TrialFacts[];
  /** The budget ended before all of them were run. */
  readonly cutShort: boolean;
  /** The kernel never got to a workload. */
  readonly untestable?: Untestable;
  /** The harness or the host failed. */
  readonly failure?: { readonly message: string; readonly log: string };
  /** Controls of its guests that were missed, and why. */
  readonly missedControls: readonly string[];
  /** What its guests said at boot; given for one cell of a machine. */
  readonly bootSplats: readonly TrialSplat[];
  /** The commit of the night it was last tested is an ancestor of tonight's. */
  readonly isForward: boolean;
}

/** What the nights before know of a cell. */
export interface CellPast {
  /** The last night in which it ran. */
  readonly tested?: {
    readonly night: string;
    readonly sha: string | null;
    readonly source?: string | null;
    readonly kernelId?: string | null;
  };
  /** The last night with a result of any kind but those of the harness. */
  readonly last?: { readonly night: string; readonly verdict: string; readonly because: string };
  readonly issues: readonly IssuePast[];
}

export interface NightContext {
  readonly night: string;
  readonly nowMs: number;
  readonly known: readonly KnownIssue[];
  /** The matrix names its workloads: one that cannot be run decides. */
  readonly workloadsNamed: boolean;
  /** Names that a splat had by other rules: an entry of the known file may be of then. */
  readonly formerKeys?: ReadonlyMap<string, readonly string[]>;
  /** How many tests are made this night. */
  readonly tests: number;
}

/** What a cell's history becomes. */
export interface IssueUpdate extends Omit<IssuePast, 'nights'> {
  readonly cell: string;
  readonly hits: number;
  readonly trials: number;
}

/** Each splat once: those of this night, and those of the past that may be gone. */
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

export function rangeOf({ kernel, isForward }: CellInput, { tested }: CellPast): NightRange {
  return {
    from: tested?.sha ?? null,
    fromNight: tested?.night ?? null,
    to: kernel.sha,
    isKnown: isForward,
    ...changeOf(kernel, tested),
  };
}

/** What the kernel was made of then and now, where that tells more than its commit. */
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

import type { KnownIssue } from '../records/known-issues.ts';
import { type CellClass, cellClasses, type NightItem } from '../records/night.ts';
import type { Verdict } from '../records/verdict.ts';
import {
  type CellInput,
  type CellPast,
  countOf,
  entryFields,
  type IssueUpdate,
  itemOf,
  listOf,
  type NightContext,
  splatsOf,
  updateOf,
} from './cell-items.ts';
import { cellName } from './cells.ts';
import { withFollowUps } from './follow-ups.ts';
import { judgeIssue } from './judge-issue.ts';
import { type JudgedTrial, judgeKnowing, type TrialSplat } from './judge-trial.ts';
import { isUnseen, judgeWhole } from './judge-whole.ts';
import { isAbout, isExpired } from './known-file.ts';

/**
 * How many trials known splats made blind (`blind`). `issue` is the entry about these splats in the file of known issues; a known
 * splat without an entry has its `key` there.
 */
export interface BlindTrials {
  readonly issue: KnownIssue | { readonly key: string };
  readonly blind: number;
}

/** The judgement on a cell (one combination of kernel, guest and workload) in one night. */
export interface JudgedCell {
  readonly input: CellInput;
  readonly trials: readonly JudgedTrial[];
  readonly verdict: Verdict;
  readonly class: CellClass;
  readonly because?: string;
  /** The items of the night about this cell or one of its splats, each with the night's list on which it belongs. */
  readonly items: readonly { readonly list: CellClass; readonly item: NightItem }[];
  readonly updates: readonly IssueUpdate[];
  readonly blind: readonly BlindTrials[];
  /** The indices of the unexpired entries in the file of known issues that are about a splat that this cell showed. */
  readonly matched: readonly number[];
}

/**
 * What is known about a splat. `live` and `expired` return the valid or the expired entry about the splat in the file of known
 * issues. `isKnown` is true in three cases: this program knows the splat; `live` has an entry about it; or the splat is an open
 * issue of earlier nights without an expired entry.
 */
interface Knowledge {
  readonly live: (splat: TrialSplat) => KnownIssue | undefined;
  readonly expired: (splat: TrialSplat) => KnownIssue | undefined;
  readonly isKnown: (splat: TrialSplat) => boolean;
}

function knowledgeOf({ cell }: CellInput, past: CellPast, context: NightContext): Knowledge {
  const { known, nowMs } = context;
  const find = (isOver: boolean) => {
    const issues = known.filter((issue) => isExpired(issue, nowMs) === isOver);
    return (splat: TrialSplat) => issues.find((issue) => matches(issue, splat, cell, context));
  };
  const [live, expired] = [find(false), find(true)];
  const open = new Set(past.issues.filter(({ state }) => state === 'open').map(({ key }) => key));
  const isKnown = (splat: TrialSplat): boolean =>
    splat.known ||
    live(splat) !== undefined ||
    (open.has(splat.key) && expired(splat) === undefined);
  return { live, expired, isKnown };
}

/** True when an entry of the file of known issues is about a splat. A signature of the splat under earlier rules counts, too. */
function matches(
  issue: KnownIssue,
  { key, title }: TrialSplat,
  cell: CellInput['cell'],
  { formerKeys }: NightContext,
): boolean {
  const named = { id: cell.id, name: cellName(cell) };
  return [key, ...(formerKeys?.get(key) ?? [])].some((signature) =>
    isAbout(issue, { signature, title, cell: named }),
  );
}

/**
 * Returns the known splats that the boots of a cell's guests showed. A splat at boot ends the detectors, so no copy of that boot
 * can show another splat.
 */
export function knownAtBoot(
  input: CellInput,
  past: CellPast,
  context: NightContext,
): readonly TrialSplat[] {
  return input.bootSplats.filter(knowledgeOf(input, past, context).isKnown);
}

/** The classes for which the night also lists the cell as a whole, besides its splats. */
const listed: readonly CellClass[] = [
  'broken',
  'disappeared',
  'infrastructure',
  'inconclusive',
  'repaired',
  'notRun',
  'notThere',
];

/**
 * Judges a cell by its own past only. `atBoot` are the known splats of the boots whose copies ran the trials, from knownAtBoot().
 * They may come from the input of another cell that shares these boots.
 */
export function judgeCell(
  input: CellInput,
  past: CellPast,
  context: NightContext,
  atBoot: readonly TrialSplat[],
): JudgedCell {
  const { cell } = input;
  const { live, expired, isKnown } = knowledgeOf(input, past, context);
  const trials = input.trials.map((facts) => judgeKnowing(facts, isKnown, atBoot));
  const items: { list: CellClass; item: NightItem }[] = [];
  const updates: IssueUpdate[] = [];
  // Without a trial or a boot, nothing could have shown the open splats of earlier nights.
  const splats = isUnseen(input) ? [] : splatsOf(trials, input.bootSplats, past);
  for (const splat of splats) {
    const seen = countOf(splat.key, trials, input.bootSplats);
    const before = past.issues.find(({ key }) => key === splat.key);
    const judgement = judgeIssue(before, { night: context.night, ...seen }, context.tests);
    updates.push(updateOf(splat, seen, before, judgement, input, context));
    const entry = live(splat);
    const over = entry === undefined ? expired(splat) : undefined;
    const list = listOf(judgement, splat, { isSeen: seen.hits > 0, entry, over });
    if (list === undefined) continue;
    const item = itemOf(splat, seen, { before, judgement, input, past, context });
    items.push({ list, item: { ...item, ...entryFields(entry ?? over, over !== undefined) } });
  }
  const blind = blindTrials(trials, live);
  const whole = judgeWhole(input, past, trials, context);
  const because = whole.because === undefined ? {} : { because: whole.because };
  if (listed.includes(whole.class)) {
    items.push({ list: whole.class, item: { cell: cell.id, ...because, ...whole.details } });
  }
  const classes = [...items.map(({ list }) => list), whole.class];
  return {
    input,
    trials,
    verdict: whole.verdict,
    class: cellClasses.find((one) => classes.includes(one)) ?? 'clean',
    ...because,
    items: withFollowUps(
      items,
      trials,
      input.bootSplats.map(({ key }) => key),
    ),
    updates,
    blind,
    matched: matchedEntries(input, trials, context),
  };
}

/** Returns how many trials of a cell became blind, by the known issue or the known splat that made them blind. */
function blindTrials(
  trials: readonly JudgedTrial[],
  live: Knowledge['live'],
): readonly BlindTrials[] {
  const found = new Map<string, { issue: BlindTrials['issue']; blind: number }>();
  for (const { blindBy } of trials) {
    const issues = new Map(
      blindBy.map((splat) => {
        const issue = live(splat) ?? { key: splat.key };
        return [JSON.stringify(issue), issue] as const;
      }),
    );
    for (const [name, issue] of issues) {
      found.set(name, { issue, blind: (found.get(name)?.blind ?? 0) + 1 });
    }
  }
  return [...found.values()];
}

/** Returns the indices of all unexpired entries that are about a splat that this cell showed, at boot or in a trial. */
function matchedEntries(
  { cell, bootSplats }: CellInput,
  trials: readonly JudgedTrial[],
  context: NightContext,
): readonly number[] {
  const { known, nowMs } = context;
  const seen = [...bootSplats, ...trials.flatMap((trial) => trial.known)];
  return known.flatMap((issue, at) => {
    const isMatched = seen.some((splat) => matches(issue, splat, cell, context));
    return isMatched && !isExpired(issue, nowMs) ? [at] : [];
  });
}

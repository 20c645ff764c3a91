import type { KnownIssue } from '../records/known-issues.ts';
import { type CellClass, cellClasses, type NightItem } from '../records/night.ts';
import type { Verdict } from '../records/verdict.ts';
import { inconclusive, isNotRun, verdictPhrase, worstVerdict } from '../verdict.ts';
import {
  type CellInput,
  type CellPast,
  countOf,
  entryFields,
  type IssueUpdate,
  itemOf,
  listOf,
  type NightContext,
  rangeOf,
  splatsOf,
  updateOf,
} from './cell-items.ts';
import { cellName } from './cells.ts';
import { judgeIssue } from './judge-issue.ts';
import { type JudgedTrial, judgeKnowing, type TrialSplat } from './judge-trial.ts';
import { isAbout, isExpired } from './known-file.ts';

/**
 * How many trials known splats made blind (`blind`). `issue` is the entry of the file of known issues that is about these splats,
 * or, for a known splat without an entry, its `key`.
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
  /** Indices in the file of known issues: the entries that have not expired and are about a splat that this cell showed. */
  readonly matched: readonly number[];
}

/**
 * What is known of a splat. `live` and `expired` return the entry of the file of known issues about it that is valid or that has
 * expired. `isKnown`: splat knows it, `live` has it, or it is an open issue of earlier nights without an expired entry.
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
 * The known splats that the boots of a cell's guests showed. A splat at boot ends the detectors, so no copy of that boot can show
 * another splat.
 */
export function knownAtBoot(
  input: CellInput,
  past: CellPast,
  context: NightContext,
): readonly TrialSplat[] {
  return input.bootSplats.filter(knowledgeOf(input, past, context).isKnown);
}

/**
 * Judges a cell by its own past only. `atBoot` are the known splats of the boots whose copies ran the trials, from knownAtBoot().
 * Another cell that shares these boots may have them in its input.
 */
export function judgeCell(
  input: CellInput,
  past: CellPast,
  context: NightContext,
  atBoot: readonly TrialSplat[],
): JudgedCell {
  const { cell } = input;
  const early = judgeAbsent(input, past);
  if (early !== undefined) return early;
  const { live, expired, isKnown } = knowledgeOf(input, past, context);
  const trials = input.trials.map((facts) => judgeKnowing(facts, isKnown, atBoot));
  const items: { list: CellClass; item: NightItem }[] = [];
  const updates: IssueUpdate[] = [];
  for (const splat of splatsOf(trials, input.bootSplats, past)) {
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
  const rest = judgeRest(input, past, trials, context);
  const classes = [...items.map(({ list }) => list), rest.class];
  const chosen = cellClasses.find((one) => classes.includes(one)) ?? 'clean';
  if (listed.includes(rest.class)) {
    items.push({
      list: rest.class,
      item: { cell: cell.id, ...(rest.because === undefined ? {} : { because: rest.because }) },
    });
  }
  return {
    input,
    trials,
    verdict: rest.verdict,
    class: chosen,
    ...(rest.because === undefined ? {} : { because: rest.because }),
    items,
    updates,
    blind,
    matched: matchedEntries(input, trials, context),
  };
}

/** Which known splats made trials of a cell blind, and how many trials each. */
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

/** Indices of the unexpired entries that are about a splat of this cell, at boot or in a trial. One splat may have several. */
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

/** The classes for which the night also lists the cell as a whole, besides its splats. */
const listed: readonly CellClass[] = [
  'disappeared',
  'infrastructure',
  'inconclusive',
  'repaired',
  'notRun',
  'notThere',
];

/** The judgement on a cell that is untestable, or that has neither trials nor splats at boot. Undefined for any other cell. */
function judgeAbsent(input: CellInput, past: CellPast): JudgedCell | undefined {
  const { cell, untestable, failure, planned, trials, cutShort, bootSplats } = input;
  const whole = (
    kind: CellClass,
    verdict: Verdict,
    because: string,
    more: Partial<NightItem> = {},
  ): JudgedCell => ({
    input,
    trials: [],
    verdict,
    class: kind,
    because,
    items: [{ list: kind, item: { cell: cell.id, because, ...more } }],
    updates: [],
    blind: [],
    matched: [],
  });
  if (untestable !== undefined) {
    const { last } = past;
    const phrase = verdictPhrase(untestable);
    if (last?.verdict === 'untestable' && last.because === untestable.because) {
      return whole('inconclusive', untestable, `still ${phrase}, as on ${last.night}`);
    }
    return whole('broken', untestable, `${phrase}: ${untestable.message}`, {
      range: rangeOf(input, past),
    });
  }
  if (trials.length > 0 || bootSplats.length > 0) return undefined;
  if (failure !== undefined) {
    const { message, log } = failure;
    return whole('infrastructure', inconclusive('not-run', message), message, { log });
  }
  if (planned === 0 || cutShort) {
    return whole('notRun', inconclusive('not-run', 'the budget is spent'), 'the budget is spent');
  }
  const none = `none of ${planned} trials has a result`;
  const before = past.tested === undefined ? {} : { lastSeen: past.tested.night };
  return whole('disappeared', inconclusive('not-run', none), none, before);
}

interface Rest {
  readonly class: CellClass;
  readonly verdict: Verdict;
  readonly because?: string;
}

/** The judgement of a cell whose workload reported that it cannot run on this kernel. */
function judgeNotThere(verdict: Verdict, { last }: CellPast, workloadsNamed: boolean): Rest {
  const because = 'message' in verdict ? verdict.message : '';
  if (last !== undefined && last.because !== 'not-run') {
    const gone = `it ran on ${last.night}, and does not now: ${because}`;
    return { class: 'inconclusive', verdict, because: gone };
  }
  return { class: workloadsNamed ? 'inconclusive' : 'notThere', verdict, because };
}

/** Judges what the trials of a cell prove. Its splats are judged elsewhere. */
function judgeRest(
  input: CellInput,
  past: CellPast,
  trials: readonly JudgedTrial[],
  { workloadsNamed }: NightContext,
): Rest {
  const { planned, failure, cutShort, missedControls } = input;
  const sighted = trials.filter(({ blindBy }) => blindBy.length === 0);
  const isBlind = trials.length > 0 && sighted.length === 0;
  const verdict = worstVerdict((sighted.length > 0 ? sighted : trials).map((one) => one.verdict));
  if (failure !== undefined) {
    return { class: 'infrastructure', verdict, because: failure.message };
  }
  if (verdict.kind === 'splat') return { class: 'clean', verdict };
  const missing = planned - trials.length;
  if (missing > 0) {
    const because = `${missing} of ${planned} trials have no result`;
    if (cutShort) return { class: 'notRun', verdict, because: 'the budget is spent' };
    return { class: 'inconclusive', verdict: inconclusive('not-run', because), because };
  }
  // A known splat at boot ends the detectors of the controls, too, which run on the same boot.
  const isDeadAtBoot = isBlind && trials.every(({ facts }) => facts.deadBefore.length > 0);
  if (missedControls.length > 0 && !isDeadAtBoot) {
    const because = `a control was missed: ${missedControls.join('; ')}`;
    return { class: 'inconclusive', verdict: inconclusive('canary-missed', because), because };
  }
  if (trials.length > 0 && trials.every((one) => isNotRun(one.verdict))) {
    return judgeNotThere(verdict, past, workloadsNamed);
  }
  if (isBlind) {
    const ended = isDeadAtBoot ? 'the detectors at boot' : 'every trial';
    return { class: 'known', verdict, because: `blind: a known splat ended ${ended}` };
  }
  return judgeProof(verdict, past);
}

/** Judges a cell that has a result of every planned trial, no new splat, and at least one trial that is not blind. */
function judgeProof(verdict: Verdict, { last }: CellPast): Rest {
  if (verdict.kind === 'inconclusive') {
    const because = `${verdictPhrase(verdict)}: ${verdict.message}`;
    return { class: 'inconclusive', verdict, because };
  }
  if (last?.verdict === 'untestable') {
    const because = `untestable: ${last.because} until ${last.night}`;
    return { class: 'repaired', verdict, because };
  }
  return { class: 'clean', verdict };
}

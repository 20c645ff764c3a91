import type { CellPast, IssueUpdate } from '../harness/night/cell-items.ts';
import { cellId, type NamedCell } from '../harness/night/cells.ts';
import type { IssuePast } from '../harness/night/judge-issue.ts';
import { type JudgedNight, judgeNight } from '../harness/night/judge-night.ts';
import type { TrialFacts } from '../harness/night/judge-trial.ts';
import { aCell, someTrialFacts } from '../test/made-records.ts';
import { dice as diceOf } from './dice.ts';

/**
 * Simulates nights of 200 cells with 3 trials each and judges them as real ones: how often a night is wrong, and how many nights it
 * takes until a splat of each rate is seen, and until it is gone. `npm run bench:nights -- HISTORIES NIGHTS`.
 */

const cellCount = 200;
const perCell = 3;
const rates = [1, 0.5, 0.2, 0.05] as const;
const kernel = {
  sha: null,
  source: null,
  release: null,
  kernelId: null,
  image: null,
  ranOn: 'tcg',
};

/** A splat of a cell: its rate, and the nights in which the kernel has it. */
interface Bug {
  readonly cell: number;
  readonly key: string;
  readonly rate: number;
  readonly from: number;
  readonly until: number;
}

interface Tally {
  nights: number;
  falseNews: number;
  unlisted: number;
  readonly seenAfter: Map<number, number[]>;
  readonly goneAfter: Map<number, number[]>;
}

const cells: readonly NamedCell[] = Array.from({ length: cellCount }, (_, at) => {
  const cell = aCell({ accel: 'tcg', workload: `w${at}` });
  return { id: cellId(cell), ...cell };
});

function trialOf(splats: TrialFacts['splats']): TrialFacts {
  const titles = splats.map(({ title }) => title);
  return someTrialFacts({
    verdict: titles.length === 0 ? { kind: 'clean' } : { kind: 'splat', titles },
    splats,
  });
}

/** The bugs of a history: a fifth of the cells has one from some night on, and half of these are repaired later. */
function throwBugs(nights: number, dice: () => number): readonly Bug[] {
  return Array.from({ length: cellCount / 5 }, (_, cell) => {
    const from = Math.floor((dice() * nights) / 4);
    const until = dice() < 0.5 ? Math.floor(nights / 2) : nights;
    return { cell, key: `bug-${cell}`, rate: rates[cell % rates.length] ?? 1, from, until };
  });
}

/** Simulates one history, night after night. */
function playHistory(nights: number, dice: () => number, tally: Tally): void {
  const bugs = throwBugs(nights, dice);
  const pasts = new Map<string, CellPast>();
  const told = { new: new Set<string>(), gone: new Set<string>() };
  for (let at = 0; at < nights; at++) {
    const name = new Date(Date.UTC(2027, 0, 1 + at)).toISOString();
    const trials = cells.map((_, cell) => throwTrials(bugs, cell, at, dice));
    const judged = judgeNight({
      night: name,
      nowMs: Date.UTC(2027, 0, 1 + at),
      known: [],
      workloadsNamed: true,
      cells: cells.map((cell, index) => ({
        cell,
        kernel,
        planned: perCell,
        trials: trials[index] ?? [],
        cutShort: false,
        missedControls: [],
        bootSplats: [],
        isForward: true,
      })),
      pastOf: (id) => pasts.get(id) ?? { issues: [] },
      lastMatched: () => undefined,
      nightsBefore: [],
    });
    const seen = new Set(trials.flat().flatMap(({ splats }) => splats.map(({ key }) => key)));
    countNight(judged, { at, bugs, seen, told }, tally);
    for (const update of judged.updates) remember(pasts, update, name);
  }
}

function throwTrials(
  bugs: readonly Bug[],
  cell: number,
  at: number,
  dice: () => number,
): readonly TrialFacts[] {
  const there = bugs.filter((bug) => bug.cell === cell && at >= bug.from && at < bug.until);
  return Array.from({ length: perCell }, () =>
    trialOf(
      there
        .filter(({ rate }) => dice() < rate)
        .map(({ key }) => ({ key, title: `WARNING in ${key}`, known: false })),
    ),
  );
}

/**
 * Counts the alarms of a night. The bugs never change their rate, and only a repair makes one go away, so every other alarm is
 * false.
 */
function countNight(
  { lists }: JudgedNight,
  {
    at,
    bugs,
    seen,
    told,
  }: {
    readonly at: number;
    readonly bugs: readonly Bug[];
    readonly seen: ReadonlySet<string>;
    readonly told: Readonly<Record<'new' | 'gone', Set<string>>>;
  },
  tally: Tally,
): void {
  tally.nights++;
  const listed = new Set(
    [lists.new, lists.back, lists.known, lists.rateChanged].flatMap((list) =>
      list.map(({ signature }) => signature),
    ),
  );
  tally.unlisted += [...seen].filter((key) => !listed.has(key)).length;
  tally.falseNews += lists.rateChanged.length + lists.back.length;
  for (const { signature = '' } of lists.gone) {
    const bug = bugs.find(({ key }) => key === signature);
    if (bug === undefined || at < bug.until) tally.falseNews++;
    else if (!told.gone.has(signature)) push(tally.goneAfter, bug.rate, at - bug.until + 1);
    told.gone.add(signature);
  }
  for (const { signature = '' } of lists.new) {
    const bug = bugs.find(({ key }) => key === signature);
    if (bug === undefined || told.new.has(signature)) tally.falseNews++;
    else push(tally.seenAfter, bug.rate, at - bug.from + 1);
    told.new.add(signature);
  }
}

/** Keeps what the history would store of an issue. */
function remember(pasts: Map<string, CellPast>, update: IssueUpdate, night: string): void {
  const { cell, hits, trials, ...rest } = update;
  const past = pasts.get(cell) ?? { issues: [] };
  const before = past.issues.find(({ key }) => key === update.key);
  const kept = [...(before?.nights ?? []), { night, hits, trials }];
  const issue: IssuePast = { ...rest, nights: kept.filter((one) => one.night >= rest.since) };
  const others = past.issues.filter(({ key }) => key !== update.key);
  pasts.set(cell, { ...past, issues: [...others, issue] });
}

function push(lists: Map<number, number[]>, rate: number, value: number): void {
  lists.set(rate, [...(lists.get(rate) ?? []), value]);
}

function quantile(values: readonly number[], share: number): string {
  const sorted = values.toSorted((a, b) => a - b);
  return String(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? '-');
}

const [histories = 20, nights = 120] = process.argv.slice(2).map(Number);
const tally: Tally = {
  nights: 0,
  falseNews: 0,
  unlisted: 0,
  seenAfter: new Map(),
  goneAfter: new Map(),
};
const startedAt = performance.now();
for (let at = 0; at < histories; at++) playHistory(nights, diceOf(at + 1), tally);
const perNight = (performance.now() - startedAt) / tally.nights;
console.log(
  `${tally.nights} nights of ${cellCount} cells x ${perCell} trials, ${perNight.toFixed(1)} ms each`,
);
console.log(`splats seen and not listed: ${tally.unlisted}`);
console.log(
  `false gone, back, rateChanged or new: ${tally.falseNews}, ${((tally.falseNews * 100) / tally.nights).toFixed(2)} in 100 nights`,
);
console.log(
  '| rate | nights until seen: median, 90 % | nights until gone: median, 90 % | gone told |',
);
console.log('|---|---|---|---|');
for (const rate of rates) {
  const seen = tally.seenAfter.get(rate) ?? [];
  const gone = tally.goneAfter.get(rate) ?? [];
  console.log(
    `| ${rate} | ${quantile(seen, 0.5)}, ${quantile(seen, 0.9)} | ${quantile(gone, 0.5)}, ${quantile(gone, 0.9)} | ${gone.length} |`,
  );
}

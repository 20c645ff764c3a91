import { isLockNews, isSettled, type LockCounts } from '../harness/night/lock-news.ts';
import { dice as diceOf } from './dice.ts';

/**
 * Simulates nights of 200 cells, 20 workloads on each of 10 machines, with thousands of dependencies between locks, and reports new
 * ones as a night does: how often a report is wrong, and how many nights it takes until a new dependency of each rate is reported.
 * `npm run bench:locks -- HISTORIES NIGHTS`. Half of the dependencies are learned at boot or not at all, and then all cells of the
 * boot have them. Each night has another kernel, which is booted three times.
 */

const machines = 10;
const perMachine = 20;
const boots = 3;
/** How many dependencies of each rate a cell has. Those that always show are most of a real graph, and never come late. */
const common = [
  { rate: 1, count: 1600 },
  { rate: 0.5, count: 100 },
  { rate: 0.05, count: 150 },
  { rate: 0.005, count: 150 },
] as const;
const rates = common.map(({ rate }) => rate);

/** A dependency of a cell that does not always show, or that is new. */
interface Edge {
  readonly rate: number;
  readonly machine: number;
  /** True when it is learned at boot; then it is drawn once for all cells of the machine. */
  readonly boot: boolean;
  /** The night that brings it; 0 when it was always there. */
  readonly from: number;
  first: number;
  hits: number;
  /** The next look that shows it, counted from 0 over all looks. */
  next: number;
}

export interface LockTally {
  nights: number;
  /** How many nights reported something false, and how many false reports there were. */
  falseNights: number;
  falseNews: number;
  /** For each rate, how many nights passed from each change to its report. */
  readonly after: Map<number, number[]>;
  /** How many new dependencies of each rate were brought. */
  brought: number;
}

function throwEdges(newFrom: number, dice: () => number): Edge[] {
  const fresh = { first: 0, hits: 0, next: 0 };
  const edges: Edge[] = [];
  for (let cell = 0; cell < machines * perMachine; cell += 1) {
    const machine = cell % machines;
    for (const { rate, count } of common.slice(1)) {
      for (let at = 0; at < count; at += 1) {
        // A dependency that is learned at boot is the same for all cells, so it is drawn for the first one.
        const boot = at % 2 === 0;
        if (boot && cell >= machines) continue;
        edges.push({ ...fresh, rate, machine, boot, from: 0 });
      }
    }
  }
  for (const rate of rates) {
    for (let at = 0; at < broughtEach; at += 1) {
      const machine = Math.floor(dice() * machines);
      edges.push({ ...fresh, rate, machine, boot: false, from: newFrom });
    }
  }
  return edges;
}

/** How many new dependencies of each rate a history has. */
const broughtEach = 5;

/** Simulates a history; the new dependencies come in night `newFrom`. */
export function playLocks(
  tally: LockTally,
  {
    nights,
    newFrom,
    seed,
    mostCandidates = Infinity,
  }: {
    readonly nights: number;
    readonly newFrom: number;
    readonly seed: number;
    /** The most candidates that are counted. */
    readonly mostCandidates?: number;
  },
): void {
  const dice = diceOf(seed);
  tally.brought += broughtEach;
  const shown: Shown = Array.from({ length: nights + 1 }, () => []);
  for (const edge of throwEdges(newFrom, dice)) {
    edge.next = Math.max(0, edge.from - 1) * boots + looksUntil(edge.rate, dice);
    schedule(edge, shown);
  }
  let candidates = 0;
  for (let night = 1; night <= nights; night += 1) {
    const seen = shown[night] ?? [];
    candidates += countHits(seen, night, dice);
    const open = seen.filter((edge) => edge.first > 1 && !isSettled(countsOf(edge, night)));
    const told = open.filter((edge) =>
      isLockNews(countsOf(edge, night), Math.min(candidates, mostCandidates)),
    );
    for (const edge of open) if (!told.includes(edge)) schedule(edge, shown);
    countNight(told, night, tally);
  }
}

/** For each night, the dependencies that its looks show. */
type Shown = readonly Edge[][];

function schedule(edge: Edge, shown: Shown): void {
  shown[Math.floor(edge.next / boots) + 1]?.push(edge);
}

/** Counts the hits of a night's looks. Returns how many dependencies of cells came late. */
function countHits(seen: readonly Edge[], night: number, dice: () => number): number {
  let late = 0;
  for (const edge of seen) {
    // A dependency that is learned at boot is late in every cell of the machine.
    if (edge.first === 0 && night > 1) late += edge.boot ? perMachine : 1;
    if (edge.first === 0) edge.first = night;
    while (edge.next < night * boots) {
      edge.hits += 1;
      edge.next += looksUntil(edge.rate, dice) + 1;
    }
  }
  return late;
}

function countNight(told: readonly Edge[], night: number, tally: LockTally): void {
  const wrong = told.filter(({ from }) => from === 0).length;
  tally.nights += 1;
  tally.falseNews += wrong;
  if (wrong > 0) tally.falseNights += 1;
  for (const { rate, from } of told) {
    if (from > 0) tally.after.set(rate, [...(tally.after.get(rate) ?? []), night - from + 1]);
  }
}

function countsOf({ first, hits }: Edge, night: number): LockCounts {
  return { before: (first - 1) * boots, after: (night - first + 1) * boots, hits };
}

/** How many looks without a dependency come before the next one with it. */
function looksUntil(rate: number, dice: () => number): number {
  return rate === 1 ? 0 : Math.floor(Math.log(1 - dice()) / Math.log1p(-rate));
}

export function emptyLockTally(): LockTally {
  return { nights: 0, falseNights: 0, falseNews: 0, after: new Map(), brought: 0 };
}

/**
 * The median, or another quantile, of the nights until a report, over all new dependencies; undefined when fewer than that share
 * were reported.
 */
export function nightsUntil(tally: LockTally, rate: number, share: number): number | undefined {
  const sorted = (tally.after.get(rate) ?? []).toSorted((a, b) => a - b);
  return sorted[Math.ceil(tally.brought * share) - 1];
}

if (process.argv[1] === import.meta.filename) {
  const [histories = 20, nights = 200] = process.argv.slice(2).map(Number);
  for (const newFrom of [31, 101]) {
    const tally = emptyLockTally();
    const startedAt = performance.now();
    for (let seed = 1; seed <= histories; seed += 1) playLocks(tally, { nights, newFrom, seed });
    const { falseNights, falseNews } = tally;
    console.log(
      `${tally.nights} nights, ${falseNights} told something false (${((falseNights * 100) / tally.nights).toFixed(2)} in 100), ${falseNews} dependencies; ${(performance.now() - startedAt).toFixed(0)} ms`,
    );
    console.log(`| rate | nights until it is told, from night ${newFrom}: median, 90 % | told |`);
    console.log('|---|---|---|');
    for (const rate of rates) {
      const [half, most] = [0.5, 0.9].map((share) => nightsUntil(tally, rate, share) ?? '-');
      console.log(
        `| ${rate} | ${half}, ${most} | ${tally.after.get(rate)?.length ?? 0} of ${tally.brought} |`,
      );
    }
  }
}

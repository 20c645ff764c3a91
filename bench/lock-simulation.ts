import { isLockNews, isSettled, type LockCounts } from '../harness/night/lock-news.ts';
import { dice as diceOf } from './dice.ts';

/**
 * Throws dice for nights of 200 cells, 20 workloads on each of 10 machines, with thousands of dependencies between locks, and tells
 * what is new in them as a night does: how often that is wrong, and how many nights a new dependency of each rate takes.
 * `npm run bench:locks -- HISTORIES NIGHTS`. Half of the dependencies are learned at boot or not at all: all cells of the boot have
 * them then. Each night has another kernel, and three boots of it.
 */

const machines = 10;
const perMachine = 20;
const boots = 3;
/** Dependencies of a cell by their rate; those that always show make the most of a real graph, and are never late. */
const common = [
  { rate: 1, count: 1600 },
  { rate: 0.5, count: 100 },
  { rate: 0.05, count: 150 },
  { rate: 0.005, count: 150 },
] as const;
const rates = common.map(({ rate }) => rate);

/** A dependency of a cell that does not always show, or is new. */
interface Edge {
  readonly rate: number;
  readonly machine: number;
  /** Learned at boot: drawn once for all cells of the machine. */
  readonly boot: boolean;
  /** The night that brings it; 0: it was always there. */
  readonly from: number;
  first: number;
  hits: number;
  /** The next of all looks that shows it, from 0. */
  next: number;
}

export interface LockTally {
  nights: number;
  /** Nights that told something false, and how many things. */
  falseNights: number;
  falseNews: number;
  /** Nights from the change to the news, by rate. */
  readonly after: Map<number, number[]>;
  /** New dependencies of each rate. */
  brought: number;
}

function throwEdges(newFrom: number, dice: () => number): Edge[] {
  const fresh = { first: 0, hits: 0, next: 0 };
  const edges: Edge[] = [];
  for (let cell = 0; cell < machines * perMachine; cell += 1) {
    const machine = cell % machines;
    for (const { rate, count } of common.slice(1)) {
      for (let at = 0; at < count; at += 1) {
        // A dependency of the boot is one for all cells: it is thrown for the first one.
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

/** New dependencies of each rate in a history. */
const broughtEach = 5;

/** Plays a history; the new dependencies come with night `newFrom`. */
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
    /** Counts no more than so many. */
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

/** By night, the dependencies that its looks show. */
type Shown = readonly Edge[][];

function schedule(edge: Edge, shown: Shown): void {
  shown[Math.floor(edge.next / boots) + 1]?.push(edge);
}

/** The looks of a night. Returns how many dependencies of cells came late. */
function countHits(seen: readonly Edge[], night: number, dice: () => number): number {
  let late = 0;
  for (const edge of seen) {
    // Those of a boot are late in every cell of the machine.
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

/** Looks without a dependency before the next one with it. */
function looksUntil(rate: number, dice: () => number): number {
  return rate === 1 ? 0 : Math.floor(Math.log(1 - dice()) / Math.log1p(-rate));
}

export function emptyLockTally(): LockTally {
  return { nights: 0, falseNights: 0, falseNews: 0, after: new Map(), brought: 0 };
}

/** The median, or another quantile, of nights until the news, of all that were brought: undefined where so many were not told. */
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

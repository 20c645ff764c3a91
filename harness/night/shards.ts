import type { PlanCell } from '../records/night-plan.ts';
import { kernelKey, machineKey } from './cells.ts';

/** A part of a night, for one machine. */
export interface Shard {
  /** Ids of cells, those of one kernel and machine next to each other. */
  readonly cells: readonly string[];
  /** That it takes, with its boots and what stands for a build. */
  readonly seconds: number;
}

/** A kernel that a shard does not share with another is built there once; a machine is booted, and its controls are run. */
const secondsPerKernel = 120;
const secondsPerMachine = 60;
/** A shard may take this many times the mean before a kernel is built on one more machine for it. */
const tolerance = 1.2;

/**
 * Divides the cells of a night into `count` parts: whole kernels, as long as no part takes much longer than the mean; then kernels in
 * pieces of about the same time. The same cells and count always give the same parts. With more parts than cells some are empty.
 */
export function divideCells(cells: readonly PlanCell[], count: number): readonly Shard[] {
  const kernels = [...groupBy(cells, kernelKey).values()].map((group) => {
    const own = [...groupBy(group, machineKey).values()].flat();
    return { cells: own, seconds: secondsOf(own), pieces: 1 };
  });
  const target = kernels.reduce((sum, one) => sum + one.seconds, 0) / count;
  for (;;) {
    const [longest] = kernels
      .filter((one) => one.pieces < one.cells.length)
      .toSorted((a, b) => b.seconds / b.pieces - a.seconds / a.pieces);
    const pieces = kernels.reduce((sum, one) => sum + one.pieces, 0);
    if (longest === undefined) break;
    if (pieces >= count && longest.seconds / longest.pieces <= target * tolerance) break;
    longest.pieces++;
  }
  const pieces = kernels
    .flatMap((one) => cut(one.cells, one.pieces))
    .map((own) => ({ cells: own.map(({ id }) => id), seconds: secondsOf(own) }));
  const shards = Array.from({ length: count }, () => ({ cells: [] as string[], seconds: 0 }));
  for (const piece of pieces.toSorted((a, b) => b.seconds - a.seconds)) {
    const [shortest] = shards.toSorted((a, b) => a.seconds - b.seconds);
    if (shortest === undefined) break;
    shortest.cells.push(...piece.cells);
    shortest.seconds += piece.seconds;
  }
  return shards;
}

/** Consecutive cells, in pieces of about the same time; never an empty one. */
function cut(cells: readonly PlanCell[], pieces: number): readonly (readonly PlanCell[])[] {
  const total = cells.reduce((sum, { seconds }) => sum + seconds, 0);
  const parts = Array.from({ length: pieces }, (): PlanCell[] => []);
  let taken = 0;
  for (const [at, cell] of cells.entries()) {
    // The piece in which the cell's middle lies, but one that leaves no piece before or after it without a cell.
    const wanted = total === 0 ? 0 : Math.floor(((taken + cell.seconds / 2) / total) * pieces);
    const filled = parts.findIndex(({ length }) => length === 0);
    const most = filled < 0 ? pieces - 1 : filled;
    const least = pieces - (cells.length - at);
    parts[Math.max(least, Math.min(wanted, most))]?.push(cell);
    taken += cell.seconds;
  }
  return parts;
}

function secondsOf(cells: readonly PlanCell[]): number {
  const kernels = new Set(cells.map(kernelKey)).size * secondsPerKernel;
  const machines = new Set(cells.map(machineKey)).size * secondsPerMachine;
  return cells.reduce((sum, { seconds }) => sum + seconds, kernels + machines);
}

/** The items by what `keyOf` says of each, in their order. */
export function groupBy<T>(items: readonly T[], keyOf: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const key = keyOf(item);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [item]);
    else group.push(item);
  }
  return groups;
}

import type { PlanCell } from '../records/night-plan.ts';
import { kernelKey, machineKey } from './cells.ts';

/** One part of a night, which a single host runs. */
export interface Shard {
  /** The ids of the part's cells. Cells that differ only in their workload are next to each other. */
  readonly cells: readonly string[];
  /** How many seconds the part takes, including the boots and an estimate for building kernels. */
  readonly seconds: number;
}

/**
 * Estimated seconds. `secondsPerKernel`: to build a kernel, once in each part that needs it. `secondsPerMachine`: to boot a guest
 * and run the controls, once for all cells that differ only in their workload.
 */
const secondsPerKernel = 120;
const secondsPerMachine = 60;
/**
 * The cells of a kernel may take this many times as long as the mean part. When they take longer, they are divided, and a second
 * host builds the kernel, too.
 */
const tolerance = 1.2;

/**
 * Divides the cells of a night into `count` parts of about equal time. The cells of a kernel stay in one part, unless they take
 * more than 1.2 times as long as the mean part, or some part would get no cell: then they are cut into pieces of about equal time.
 * The same cells and the same count always give the same parts. With more parts than cells, some parts are empty.
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

/** Cuts the cells, in their order, into `pieces` pieces of about equal time. No piece is empty. */
function cut(cells: readonly PlanCell[], pieces: number): readonly (readonly PlanCell[])[] {
  const total = cells.reduce((sum, { seconds }) => sum + seconds, 0);
  const parts = Array.from({ length: pieces }, (): PlanCell[] => []);
  let taken = 0;
  for (const [at, cell] of cells.entries()) {
    // A cell belongs to the piece in which the middle of its time lies, unless another piece would then get no cell.
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

/** Groups items by what `keyOf` returns for them. Within a group, the items keep their order. */
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

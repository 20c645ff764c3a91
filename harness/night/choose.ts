import { machineKey, type NamedCell } from './cells.ts';

/** A cell (one combination of kernel, guest and workload) that is in a night's plan. */
export interface PlannedCell extends NamedCell {
  /** The number of trials to run. */
  readonly planned: number;
}

/** What earlier nights know about a cell, as far as the choice of cells depends on it. */
export interface CellHistory {
  /** The last night in which the cell ran. */
  readonly night: string;
  readonly msPerTrial: number;
  readonly flaky: boolean;
  /** True when the cell's kernel is another one than in that night. */
  readonly changed: boolean;
}

export interface Choice {
  readonly repeat: number;
  /** How many seconds the night may take. Undefined: all cells are run. */
  readonly budgetSeconds: number | undefined;
  /** What earlier nights know of each cell, by the cell's id; a cell that has never run is not in the map. */
  readonly past: ReadonlyMap<string, CellHistory>;
  /** Estimates how many seconds one trial of this workload takes in a cell that has never run. */
  readonly secondsOf: (workload: string) => number;
}

/**
 * How many seconds are added for cells that differ only in their workload, once for all of them: for the kernel, the boot and the
 * controls.
 */
const secondsPerMachine = 60;

/**
 * Chooses the cells of a night within its budget. Cells that most likely tell something new come first: those that have never
 * run, those whose kernel has changed, those with a splat that comes and goes, those that have not run for the longest time.
 * Cells that do not fit the budget are `left`, but the first cell always runs. `estimate` is the time of the chosen cells in
 * seconds. Cells that differ only in their workload share a boot, so they are run together, at the place of the first of them.
 */
export function choosePlan(
  cells: readonly NamedCell[],
  choice: Choice,
): {
  readonly cells: readonly PlannedCell[];
  readonly left: readonly PlannedCell[];
  readonly estimate: number;
} {
  const { repeat, budgetSeconds, past } = choice;
  const rank = ({ id }: NamedCell): number => {
    const before = past.get(id);
    if (before === undefined) return 0;
    if (before.changed) return 1;
    return before.flaky ? 2 : 3;
  };
  const last = ({ id }: NamedCell): string => past.get(id)?.night ?? '';
  const ordered = cells.toSorted(
    (a, b) => rank(a) - rank(b) || (last(a) < last(b) ? -1 : last(a) > last(b) ? 1 : 0),
  );
  const machines = new Map<string, PlannedCell[]>();
  const left: PlannedCell[] = [];
  let estimate = 0;
  for (const cell of ordered) {
    const key = machineKey(cell);
    const each = past.get(cell.id);
    const seconds = each === undefined ? choice.secondsOf(cell.workload) : each.msPerTrial / 1000;
    const cost = seconds * repeat + (machines.has(key) ? 0 : secondsPerMachine);
    const planned = { ...cell, planned: repeat };
    // The first cell is always run, because a budget that is too small for any cell would never give a result.
    if (budgetSeconds !== undefined && machines.size > 0 && estimate + cost > budgetSeconds) {
      left.push(planned);
      continue;
    }
    estimate += cost;
    machines.set(key, [...(machines.get(key) ?? []), planned]);
  }
  return { cells: [...machines.values()].flat(), left, estimate };
}

import { groupOf, machineKey, type NamedCell } from './cells.ts';

/** A cell (one combination of kernel, guest and workload) that is in a night's plan. */
export interface PlannedCell extends NamedCell {
  /** The number of trials to run. */
  readonly planned: number;
}

/** What earlier nights know about a cell, as far as the choice of cells depends on it. */
export interface CellHistory {
  /** The last night that tried to run the cell, whether it got a result or not. */
  readonly night: string;
  /** The milliseconds that a trial of the cell takes. Null: no trial of the cell has ever ended. */
  readonly msPerTrial: number | null;
  readonly flaky: boolean;
  /** True when the cell's kernel has changed since that night. */
  readonly changed: boolean;
  /** True when the budget of that night ended while the cell's kernel was built or booted. */
  readonly spent: boolean;
}

export interface Choice {
  readonly repeat: number;
  /** How many seconds the night may take. Undefined: all cells are run. */
  readonly budgetSeconds: number | undefined;
  /** True: the first cell is chosen even when the budget is too small for it. */
  readonly atLeastOne: boolean;
  /** What earlier nights know of each cell, by the cell's id; a cell that no night has tried is not in the map. */
  readonly past: ReadonlyMap<string, CellHistory>;
  /** Estimates how many seconds one trial of this workload takes in a cell of which no trial has ended. */
  readonly secondsOf: (workload: string) => number;
}

/**
 * How many seconds the kernel, the boot and the controls take. This time counts only once for all cells that differ only in
 * their workload.
 */
const secondsPerMachine = 60;

/**
 * Chooses the cells of a night within its budget. Cells that most likely show something new come first, in this order: cells that
 * no night has tried, cells whose kernel has changed, cells with a splat that comes and goes, cells that were tried the longest
 * time ago. A cell whose kernel used up the budget of its last night goes to the last group, even when its kernel has changed:
 * otherwise it would use up the budget of every night. Cells that do not fit the budget are `left`. `estimate` is the time of the
 * chosen cells in seconds. Cells that differ only in their workload share a boot, so they run together, at the place of the first.
 */
export function choosePlan(
  cells: readonly NamedCell[],
  choice: Choice,
): {
  readonly cells: readonly PlannedCell[];
  readonly left: readonly PlannedCell[];
  readonly estimate: number;
} {
  const { repeat, budgetSeconds, atLeastOne, past } = choice;
  const rank = ({ id }: NamedCell): number => {
    const before = past.get(id);
    if (before === undefined) return 0;
    if (before.spent) return 3;
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
    const ms = each?.msPerTrial ?? choice.secondsOf(cell.workload) * 1000;
    const cost = (ms / 1000) * repeat + (machines.has(key) ? 0 : secondsPerMachine);
    const planned = { ...cell, planned: repeat };
    // A budget that is too small for any cell would never give a result.
    const isFirst = atLeastOne && machines.size === 0;
    if (budgetSeconds !== undefined && !isFirst && estimate + cost > budgetSeconds) {
      left.push(planned);
      continue;
    }
    estimate += cost;
    groupOf(machines, key).push(planned);
  }
  return { cells: [...machines.values()].flat(), left, estimate };
}

import { machineKey, type NamedCell } from './cells.ts';

/** A cell of a night's plan. */
export interface PlannedCell extends NamedCell {
  /** Trials. */
  readonly planned: number;
}

/** What the nights before tell of a cell. */
export interface CellHistory {
  /** When it last ran. */
  readonly night: string;
  readonly msPerTrial: number;
  readonly flaky: boolean;
  /** Its kernel has moved since. */
  readonly changed: boolean;
}

export interface Choice {
  readonly repeat: number;
  /** Undefined: everything is run. */
  readonly budgetSeconds: number | undefined;
  /** By cell; a cell that was never run is not in it. */
  readonly past: ReadonlyMap<string, CellHistory>;
  /** A guess for a workload that was never run. */
  readonly secondsOf: (workload: string) => number;
}

/** The kernel, the boot and the controls of a machine. */
const secondsPerMachine = 60;

/**
 * Which cells a night runs, those first that most likely tell something new: never run, then of a kernel that moved, then with
 * a splat that comes and goes, then by how long ago they ran. Under a budget the rest is left. A machine is booted once: its cells
 * stand together, where the first of them does.
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
    // The first one always: a budget that is too small for anything would never tell anything.
    if (budgetSeconds !== undefined && machines.size > 0 && estimate + cost > budgetSeconds) {
      left.push(planned);
      continue;
    }
    estimate += cost;
    machines.set(key, [...(machines.get(key) ?? []), planned]);
  }
  return { cells: [...machines.values()].flat(), left, estimate };
}

import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { isHarnessError } from '../../errors.ts';
import { costOf } from '../../history/cell-cost.ts';
import type { History } from '../../history/database.ts';
import { readIfThere } from '../../host/disk.ts';
import { resolveRevision } from '../../host/revision.ts';
import type { NamedCell } from '../../night/cells.ts';
import { type CellHistory, choosePlan, type PlannedCell } from '../../night/choose.ts';
import type { ReadMatrix } from '../../night/matrix.ts';
import { workloads } from '../../stress/workloads.ts';

/**
 * The exact kernel that a name in the matrix stands for in one night. For a branch it is the commit at which the branch stood
 * when the night began.
 */
export interface Pin {
  /** The kernel as --kernel takes it; `DIR@COMMIT` for a revision of a git tree. */
  readonly kernel: string;
  /** The commit of a kernel from a git tree; null for any other kernel, and for a revision that does not exist. */
  readonly sha: string | null;
  /** The absolute path of the git tree; absent when `sha` is null. */
  readonly tree?: string;
}

/** What a night sets out to do. The plan is stored, so that the same command can continue the night. */
export interface NightPlan {
  /**
   * The cells to run, in this order. Cells that differ only in their workload are next to each other, except for cells that were
   * added because the budget left time: these come last.
   */
  readonly cells: readonly PlannedCell[];
  /** The cells for which the budget seems too small. These cells run only when the other cells take less time than expected. */
  readonly left: readonly PlannedCell[];
  /** The exact kernel for each name that the matrix uses for a kernel. */
  readonly pins: Readonly<Record<string, Pin>>;
  readonly workloadsNamed: boolean;
  readonly repeat: number;
  /** True when the night bisects new splats whose range of commits is known. */
  readonly bisect: boolean;
  /** How many seconds the night will take, judging by the nights before. */
  readonly estimate: number;
}

/**
 * Plans a night: which cells run, in which order, and on which kernels. The budget counts only when all cells may run, not when
 * one cell is named. Nothing is built or fetched.
 */
export async function planNight(
  matrix: ReadMatrix,
  options: {
    readonly history: History | undefined;
    /** The folder of the matrix file. */
    readonly cwd: string;
    /** The id of the only cell to run; undefined for all cells. */
    readonly cell: string | undefined;
    /** The number of hosts that share the night; absent: 1. Each host has the whole budget. */
    readonly machines?: number;
    readonly signal: AbortSignal;
  },
): Promise<NightPlan> {
  const { history, cwd, cell, machines = 1, signal } = options;
  const wanted = cell === undefined ? matrix.cells : matrix.cells.filter(({ id }) => id === cell);
  const pins: Record<string, Pin> = {};
  for (const kernel of new Set(wanted.map((one) => one.kernel))) {
    pins[kernel] = await pinKernel(kernel, cwd, signal);
  }
  const { repeat = 1, budget, bisect = false } = matrix.value;
  const chosen = choosePlan(wanted, {
    repeat,
    budgetSeconds: cell === undefined && budget !== undefined ? budget * 60 * machines : undefined,
    atLeastOne: true,
    past: pastOf(history, wanted, pins),
    secondsOf: guessSeconds,
  });
  const workloadsNamed = matrix.value.workloads !== undefined;
  return { ...chosen, pins, workloadsNamed, repeat, bisect };
}

/**
 * Adds cells that a plan had left out, as far as the remaining `seconds` of the budget seem enough for them. `isOpen` is false for
 * a cell that need not be tried in this night. Returns the new plan, or undefined when no cell is added.
 */
export function planMore(
  plan: NightPlan,
  {
    history,
    seconds,
    isOpen,
  }: {
    readonly history: History;
    readonly seconds: number;
    readonly isOpen: (cell: PlannedCell) => boolean;
  },
): NightPlan | undefined {
  const { repeat, pins, left } = plan;
  const wanted = left.filter(isOpen);
  const past = pastOf(history, wanted, pins);
  const choice = { repeat, budgetSeconds: seconds, atLeastOne: false, past };
  const { cells, estimate } = choosePlan(wanted, { ...choice, secondsOf: guessSeconds });
  if (cells.length === 0) return undefined;
  const added = new Set(cells.map(({ id }) => id));
  return {
    ...plan,
    cells: [...plan.cells, ...cells],
    left: left.filter(({ id }) => !added.has(id)),
    estimate: plan.estimate + estimate,
  };
}

/** What earlier nights know of each cell, by the cell's id; a cell that no night has tried is not in the map. */
function pastOf(
  history: History | undefined,
  cells: readonly NamedCell[],
  pins: NightPlan['pins'],
): ReadonlyMap<string, CellHistory> {
  const past = new Map<string, CellHistory>();
  for (const { id, kernel } of cells) {
    const cost = history === undefined ? undefined : costOf(history, id);
    if (cost === undefined) continue;
    const sha = pins[kernel]?.sha ?? null;
    past.set(id, { ...cost, changed: sha !== null && sha !== cost.sha });
  }
  return past;
}

/** How many seconds a trial of each workload takes: the workload's own time, and about 3 s for a copy of a guest. */
const secondsOf = new Map(
  workloads.map(({ name, durationMs }) => [name, durationMs / 1000 + 3] as const),
);
/**
 * The seconds that a trial of a user's program takes: a minute, after which the program is ended, and 3 s for the copy of a guest.
 */
const ownSeconds = 63;

/** An estimate in seconds for a trial of a workload that never ran. */
export function guessSeconds(workload: string): number {
  return secondsOf.get(workload) ?? ownSeconds;
}

/**
 * The exact kernel that a name in the matrix stands for. A Debian kernel, a tarball and a plain tree have no commit. A revision
 * that does not exist is no error here: the build of the kernel reports it.
 */
async function pinKernel(kernel: string, cwd: string, signal: AbortSignal): Promise<Pin> {
  const unpinned = { kernel, sha: null };
  const at = kernel.lastIndexOf('@');
  if (kernel.startsWith('debian:') || at <= 0) return unpinned;
  if ((await readIfThere(stat(resolve(cwd, kernel)))) !== undefined) return unpinned;
  const dir = kernel.slice(0, at);
  const tree = resolve(cwd, dir);
  try {
    const { commitId } = await resolveRevision(tree, kernel.slice(at + 1), signal);
    return { kernel: `${dir}@${commitId}`, sha: commitId, tree };
  } catch (error) {
    if (!isHarnessError(error, 'usage')) throw error;
    return unpinned;
  }
}

import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { isHarnessError } from '../../errors.ts';
import type { History } from '../../history/database.ts';
import { costOf } from '../../history/stored-cell.ts';
import { readIfThere } from '../../host/disk.ts';
import { resolveRevision } from '../../host/revision.ts';
import { type CellHistory, choosePlan, type PlannedCell } from '../../night/choose.ts';
import type { ReadMatrix } from '../../night/matrix.ts';
import { workloads } from '../../stress/workloads.ts';

/** What a kernel of the matrix stands for in a night: what a branch stood at when the night began. */
export interface Pin {
  /** As --kernel takes it: `DIR@COMMIT` of a branch. */
  readonly kernel: string;
  readonly sha: string | null;
  /** Absolute; of a git tree. */
  readonly tree?: string;
}

/** What a night set out to do; kept, so that the same command goes on with it. */
export interface NightPlan {
  /** The cells to run, in this order; those of one machine are next to each other. */
  readonly cells: readonly PlannedCell[];
  /** Cells of the matrix that the budget leaves out. */
  readonly left: readonly PlannedCell[];
  /** By what the matrix names. */
  readonly pins: Readonly<Record<string, Pin>>;
  readonly workloadsNamed: boolean;
  readonly repeat: number;
  /** What is new and has a range of commits is bisected. */
  readonly bisect: boolean;
  /** Seconds, as the nights before took. */
  readonly estimate: number;
}

/** Plans a night: which cells, in which order, on what. Nothing is built or fetched. */
export async function planNight(
  matrix: ReadMatrix,
  options: {
    readonly history: History | undefined;
    /** The matrix file's folder. */
    readonly cwd: string;
    /** Only this cell. */
    readonly cell: string | undefined;
    /** That share the night: each has its whole budget. Default 1. */
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
  const past = new Map<string, CellHistory>();
  for (const { id, kernel } of wanted) {
    const cost = history === undefined ? undefined : costOf(history, id);
    if (cost === undefined) continue;
    const sha = pins[kernel]?.sha ?? null;
    past.set(id, { ...cost, changed: sha !== null && sha !== cost.sha });
  }
  const { repeat = 1, budget, bisect = false } = matrix.value;
  const chosen = choosePlan(wanted, {
    repeat,
    budgetSeconds: cell === undefined && budget !== undefined ? budget * 60 * machines : undefined,
    past,
    secondsOf: guessSeconds,
  });
  const workloadsNamed = matrix.value.workloads !== undefined;
  return { ...chosen, pins, workloadsNamed, repeat, bisect };
}

/** A workload's own time, and what a copy of a guest takes besides. */
const secondsOf = new Map(
  workloads.map(({ name, durationMs }) => [name, durationMs / 1000 + 3] as const),
);
/** A program of the user's is ended after a minute. */
const ownSeconds = 63;

/** What a trial of a workload takes that was never run. */
export function guessSeconds(workload: string): number {
  return secondsOf.get(workload) ?? ownSeconds;
}

/** A tree that is as it is has no commit; a branch that is not there any more is told when its kernel is built. */
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

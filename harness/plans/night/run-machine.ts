import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { firstLineOf, HarnessError, isHarnessError } from '../../errors.ts';
import type { Emit } from '../../events.ts';
import type { AccelChoice } from '../../guest/accel.ts';
import type { History } from '../../history/database.ts';
import { keepMachine, keepTrial, type StoredTrial, trialsOf } from '../../history/results.ts';
import { makeFolder, readIfThere, writeWhole } from '../../host/disk.ts';
import type { CellKernel } from '../../night/cell-items.ts';
import { cellName, machineKey, type NamedCell } from '../../night/cells.ts';
import type { PlannedCell } from '../../night/choose.ts';
import type { TrialResult } from '../../records/trial.ts';
import { toolTrialName } from '../../stress/tool-list.ts';
import type { ChosenWorkload } from '../../trial/chosen-workload.ts';
import { trialSeed } from '../../trial/plan-trials.ts';
import type { RequestedRun } from '../run/keep-inputs.ts';
import { type FinishedRun, runRequested } from '../run/requested-run.ts';
import {
  factsOf,
  kernelOf,
  type MachineFacts,
  machineFacts,
  noKernel,
  storedTrial,
  withKernel,
} from './facts.ts';
import type { NightPlan } from './plan-night.ts';

/** A night while it runs: its plan, its folder, and what its trials need. */
export interface NightWork {
  readonly history: History;
  readonly night: { readonly id: number; readonly name: string; readonly dir: string };
  readonly plan: NightPlan;
  /** The folder of the matrix file. */
  readonly cwd: string;
  readonly cacheRoot: string;
  readonly jobs: number | undefined;
  readonly runId: string;
  /** Fires when the user interrupts the night, and when the budget is spent. */
  readonly signal: AbortSignal;
  readonly isSpent: () => boolean;
  readonly emit: Emit;
  /** The ids of the cells that this host runs; absent: all. The cells of other hosts still decide seeds and names here. */
  readonly only?: ReadonlySet<string>;
  /** True to leave the canaries out, because they ran before on this kernel in such guests. Absent: false. */
  readonly withoutControls?: boolean;
  /** Writes the further files of a run's folder, when the run has ended. */
  readonly writeRun: (run: FinishedRun) => Promise<void>;
}

/**
 * The most attempts to run the cells of one machine (a kernel with guests of one kind) when the host fails. A further attempt is
 * made only after an attempt that finished some trials.
 */
const mostTries = 4;

/**
 * Runs the remaining trials of cells that differ only in their workload, as `splat run` would: one kernel, one boot, the canaries
 * and all workloads. Each trial is written to the history when it ends. Returns what is known of the kernel and its guests, or the
 * fault of the host that stopped the trials. Throws only for an interruption and at the end of the budget.
 */
export async function runMachine(
  cells: readonly PlannedCell[],
  done: ReadonlyMap<string, ReadonlySet<string>>,
  work: NightWork,
): Promise<MachineFacts> {
  const [first] = cells;
  if (first === undefined)
    throw new HarnessError('internal', 'a machine of the night has no cells');
  const finished = new Map(cells.map(({ id }) => [id, new Set(done.get(id))]));
  const seen: { kernel?: CellKernel } = {};
  const count = (): number => [...finished.values()].reduce((sum, ids) => sum + ids.size, 0);
  for (let attempt = 1; ; attempt++) {
    const before = count();
    try {
      return await runOnce(cells, { finished, seen }, work);
    } catch (error) {
      if (isHarnessError(error, 'interrupted')) throw error;
      const failed = withKernel(await keepFailure(error, first, work), seen.kernel);
      const isHopeless = count() === before || isHarnessError(error, 'usage', 'config');
      if (isHopeless || attempt === mostTries) return failed;
      work.emit({
        kind: 'note',
        text: `${failed.failure?.message}; going on with the other trials`,
      });
    }
  }
}

async function runOnce(
  cells: readonly PlannedCell[],
  {
    finished,
    seen,
  }: {
    readonly finished: ReadonlyMap<string, Set<string>>;
    /** Receives, whenever a trial ends, the kernel on which the trial ran. */
    readonly seen: { kernel?: CellKernel };
  },
  work: NightWork,
): Promise<MachineFacts> {
  const [first] = cells as readonly [PlannedCell];
  const sha = work.plan.pins[first.kernel]?.sha ?? null;
  const { plan, night, history } = work;
  const { run, dir } = await nextRun(work);
  const names = new Map<string, PlannedCell>();
  const { result } = await runRequested(
    { ...requestedRun(cells, work), repeat: plan.repeat, seed: seedOf(night.name, first) },
    {
      ...runOptions(dir, work),
      arrange: (chosen) => arrange(chosen, cells, names),
      isWanted: ({ id, workload }) =>
        workload.canary === undefined
          ? isLeft(id, names.get(workload.name), finished, work)
          : work.withoutControls !== true,
      onTrialEnd: async (trial, { kernel, accel }) => {
        seen.kernel = kernelOf(kernel, accel, sha);
        const cell = trial.canary === undefined ? names.get(trial.workload) : undefined;
        if (cell === undefined) return;
        await keepTrial(
          history,
          night.id,
          storedCell(cell),
          storedTrial(factsOf(trial, run), 'plan'),
        );
        finished.get(cell.id)?.add(trial.id);
      },
    },
  ).then(async (one) => {
    await work.writeRun(one);
    return one;
  });
  const facts = withKernel(machineFacts(result, sha), seen.kernel);
  await keepMachine(history, night.id, machineKey(first), JSON.stringify(facts));
  return facts;
}

/** True for a trial that this host runs and that has no result yet. */
function isLeft(
  id: string,
  cell: PlannedCell | undefined,
  finished: ReadonlyMap<string, ReadonlySet<string>>,
  { only }: NightWork,
): boolean {
  if (cell === undefined) return true;
  return only?.has(cell.id) !== false && finished.get(cell.id)?.has(id) !== true;
}

/** Further trials of a cell, which are not in the night's plan. */
export interface ExtraTrials {
  readonly purpose: StoredTrial['purpose'];
  readonly repeat: number;
  readonly cold: boolean;
  /** The kernel of an earlier night: its key in the cache, and its name as a value of --kernel. Absent: tonight's kernel. */
  readonly on?: { readonly kernelId: string; readonly kernel: string };
}

/** Runs a cell's workload again with other seeds. Trials of this purpose that are in the history already are not run twice. */
export async function runExtra(
  cell: PlannedCell,
  { purpose, repeat, cold, on }: ExtraTrials,
  work: NightWork,
): Promise<void> {
  const { night, history } = work;
  const finishedIds = new Set(
    trialsOf(history, night.id)
      .filter((one) => one.cell === cell.id && one.purpose === purpose)
      .map(({ trial }) => trial),
  );
  if (finishedIds.size >= repeat) return;
  const { run, dir } = await nextRun(work);
  const names = new Map<string, PlannedCell>();
  const finished = await runRequested(
    {
      ...requestedRun([cell], work),
      ...(on === undefined ? {} : { kernel: on.kernel }),
      repeat,
      cold,
      seed: trialSeed(seedOf(night.name, cell), `${purpose} ${cell.id}`),
    },
    {
      ...runOptions(dir, work),
      ...(on === undefined ? {} : { kernelId: on.kernelId }),
      arrange: (chosen) => arrange(chosen, [cell], names),
      // The canaries of this kernel were run with the planned trials of a night.
      isWanted: ({ id, workload }) => workload.canary === undefined && !finishedIds.has(id),
      onTrialEnd: async (trial: TrialResult) =>
        keepTrial(history, night.id, storedCell(cell), storedTrial(factsOf(trial, run), purpose)),
    },
  );
  await work.writeRun(finished);
}

/**
 * Sorts the workloads by the order of their cells. Fills `names`, which maps the name of a workload in the trials to
 * the workload's cell.
 */
export function arrange(
  chosen: readonly ChosenWorkload[],
  cells: readonly PlannedCell[],
  names: Map<string, PlannedCell>,
): readonly ChosenWorkload[] {
  const table = new Map(
    chosen.flatMap((one) => (one.upload === undefined ? [[one.workload.name, one] as const] : [])),
  );
  // All other workloads are programs of the user, in the order in which the user named them.
  const own = chosen.filter(({ upload }) => upload !== undefined);
  return cells.flatMap((cell) => {
    const one = table.get(toolTrialName(cell.workload)) ?? own.shift();
    if (one === undefined) return [];
    names.set(one.workload.name, cell);
    return [one];
  });
}

function requestedRun(cells: readonly PlannedCell[], { plan, cwd }: NightWork): RequestedRun {
  const [first] = cells as readonly [PlannedCell];
  return {
    kernel: plan.pins[first.kernel]?.kernel ?? first.kernel,
    cwd,
    series: first.series,
    configs: first.config,
    configBase: first.configBase,
    guest: first.guest,
    workloads: cells.map(({ workload }) => workload),
    workloadArgs: [],
    baseline: undefined,
    accel: first.accel as AccelChoice,
    memoryMiB: first.memoryMib,
    cpus: first.cpus,
    seed: 0,
    repeat: 1,
    cold: false,
    durationMs: undefined,
    trials: undefined,
  };
}

function runOptions(dir: string, work: NightWork) {
  const { runId, cacheRoot, jobs, signal, emit } = work;
  return { openDirectory: async () => dir, runId, cacheRoot, jobs, signal, emit };
}

/**
 * The seed of the trials of a cell in one night. Cells that differ only in their workload have the same seed. A night that is
 * continued keeps its seeds; the next night has others.
 */
export function seedOf(night: string, cell: PlannedCell): number {
  return trialSeed(0, `${night} ${machineKey(cell)}`);
}

export function storedCell(cell: NamedCell & { readonly planned?: number }): {
  id: string;
  name: string;
  described: string;
} {
  const { id, planned: _planned, ...described } = cell;
  return { id, name: cellName(cell), described: JSON.stringify(described) };
}

async function nextRun({
  night,
}: NightWork): Promise<{ readonly run: string; readonly dir: string }> {
  const names = (await readIfThere(readdir(join(night.dir, 'runs')))) ?? [];
  const number = Math.max(0, ...names.map((name) => Number.parseInt(name, 10) || 0)) + 1;
  const run = `runs/${number}`;
  const dir = join(night.dir, run);
  await makeFolder(dir);
  return { run, dir };
}

/** Writes an error to a log in the night's folder, and returns it as the facts of a machine that failed. */
async function keepFailure(
  error: unknown,
  cell: PlannedCell,
  { night, plan }: NightWork,
): Promise<MachineFacts> {
  const message = firstLineOf(error);
  const output = error instanceof HarnessError ? (error.output ?? '') : '';
  const stack = error instanceof Error ? (error.stack ?? '') : '';
  await makeFolder(join(night.dir, 'failures'));
  const log = `failures/${cell.id}.log`;
  await writeWhole(join(night.dir, log), `${message}\n\n${output}\n\n${stack}\n`);
  const sha = plan.pins[cell.kernel]?.sha ?? null;
  return {
    done: false,
    kernel: { ...noKernel, sha },
    failure: { message, log },
    missedControls: [],
    bootSplats: [],
  };
}

import { defaultArch } from '../../arch.ts';
import { HarnessError } from '../../errors.ts';
import { defaultGpu } from '../../guest/devices.ts';
import type { History } from '../../history/database.ts';
import { closedNights, importedRun, provisionalNight } from '../../history/nights.ts';
import { readStoredCell } from '../../history/stored-cell.ts';
import type { CellInput } from '../../night/cell-items.ts';
import { cellId } from '../../night/cells.ts';
import type { PlannedCell } from '../../night/choose.ts';
import { judgeNight } from '../../night/judge-night.ts';
import type { RunRecord } from '../../records/run-request.ts';
import type { RunResult } from '../../records/run-result.ts';
import type { TrialResult } from '../../records/trial.ts';
import { factsOf, kernelOf, machineFacts, storedTrial } from './facts.ts';
import { finishNight } from './finish-night.ts';
import { storedCell } from './run-machine.ts';

/**
 * Adds a run of `splat run` to the history as a night. Its cells are those of a matrix with the same kernel, options and workloads;
 * its canaries belong to no cell. Returns the name of the night: the second in which the run began. Runs must be imported in the
 * order in which they began: throws `usage` for a run that is not newer than the newest night. Everything is written in one
 * transaction, so an import that fails leaves nothing behind.
 */
export async function importRun(
  history: History,
  dir: string,
  { request, startedAt, harness }: RunRecord,
  result: RunResult,
): Promise<string> {
  const name = `${new Date(startedAt).toISOString().slice(0, 19)}Z`;
  const [newest] = closedNights(history, 1);
  if (newest !== undefined && newest.name >= name) {
    throw new HarnessError(
      'usage',
      `${dir} is from ${name}, and the history already has ${newest.name}: import runs in the order of their dates`,
    );
  }
  const trials = result.trials.filter(({ canary }) => canary === undefined);
  const cells = cellsOf(request, trials);
  const startedMs = Date.parse(startedAt);
  const { night, begin } = provisionalNight(history, {
    name,
    matrixFile: importedRun,
    matrixDigest: '',
    dir,
    plan: JSON.stringify({ cells }),
    startedMs,
    harness,
  });
  const kernel = kernelOf(result.kernel, result.accel, null);
  const inputs = inputsOf(cells, trials, result);
  const stored = inputs.flatMap(({ cell, trials: own }) =>
    own.map((one) => ({ cell: storedCell(cell), trial: storedTrial(one, 'plan') })),
  );
  const judged = judgeNight({
    night: name,
    nowMs: startedMs,
    known: [],
    workloadsNamed: false,
    cells: inputs,
    pastOf: (id) => readStoredCell(history, id, kernel.ranOn),
    lastMatched: () => undefined,
    nightsBefore: [],
  });
  await finishNight(history, night, judged, {
    nowMs: startedMs + result.timings.totalMs,
    known: [],
    matrixCells: cells,
    notes: [],
    unwritten: { begin, trials: stored },
  });
  return name;
}

/** The cells that a matrix with the kernel, options and workloads of this run would have. */
function cellsOf(
  request: RunRecord['request'],
  trials: readonly TrialResult[],
): readonly PlannedCell[] {
  return [...new Set(trials.map(({ workload }) => workload))].map((workload) => {
    const cell = {
      kernel: request.kernel,
      series: request.series.map((one) => one.name),
      config: request.configs.map((one) => one.name),
      ...(request.configBase === null ? {} : { configBase: request.configBase.name }),
      arch: defaultArch.name,
      accel: request.accel,
      guest: request.guest,
      gpu: request.gpu ?? defaultGpu.name,
      memoryMib: request.memoryMiB,
      cpus: request.cpus,
      workload,
    };
    const planned = trials.filter((trial) => trial.workload === workload).length;
    return { id: cellId(cell), ...cell, planned };
  });
}

function inputsOf(
  cells: readonly PlannedCell[],
  trials: readonly TrialResult[],
  result: RunResult,
): readonly CellInput[] {
  const facts = machineFacts(result, null);
  return cells.map((cell, index) => ({
    cell,
    kernel: facts.kernel,
    planned: cell.planned,
    trials: trials
      .filter(({ workload }) => workload === cell.workload)
      .map((one) => factsOf(one, '.')),
    cutShort: false,
    missedControls: facts.missedControls,
    bootSplats: index === 0 ? facts.bootSplats : [],
    isForward: false,
  }));
}

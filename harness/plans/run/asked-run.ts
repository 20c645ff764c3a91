import { join } from 'node:path';
import type { Emit } from '../../events.ts';
import { writeWhole } from '../../host/disk.ts';
import { pinConfigs } from '../../kernel/test-kernel.ts';
import type { RunRecord } from '../../records/run-request.ts';
import type { RunResult } from '../../records/run-result.ts';
import { chooseWorkloads } from '../../trial/choose-workloads.ts';
import { type ChosenWorkload, labNeeds } from '../../trial/chosen-workload.ts';
import { writtenBy } from '../../trial/written-by.ts';
import { distrustOf, readBaseline } from './baseline.ts';
import { type AskedRun, keepInputs } from './keep-inputs.ts';
import { type RunRequest, runPlan } from './run.ts';

export interface AskedRunOptions {
  /** Gives the run directory, new or empty; called once all that was named is known to be there. */
  readonly openDirectory: () => Promise<string>;
  /** Of the events of this run. */
  readonly runId: string;
  readonly cacheRoot: string;
  /** Compilers, and guests, at a time; undefined: as many as the host has cores and memory for. */
  readonly jobs: number | undefined;
  /** Of a replay: the kernel that was run. */
  readonly kernelId?: string;
  /** The workloads in the order their trials are to be run in; absent: as they were chosen. */
  readonly arrange?: (workloads: readonly ChosenWorkload[]) => readonly ChosenWorkload[];
  /** As of runPlan(). */
  readonly isWanted?: NonNullable<RunRequest['isWanted']>;
  readonly onTrialEnd?: NonNullable<RunRequest['onTrialEnd']>;
  readonly signal: AbortSignal;
  readonly emit: Emit;
}

/** A run with what its directory is made of. */
export interface FinishedRun {
  readonly dir: string;
  readonly record: RunRecord;
  readonly result: RunResult;
}

/** Runs what was asked for, and leaves a run directory from which it can be run again. */
export async function runAsked(asked: AskedRun, options: AskedRunOptions): Promise<FinishedRun> {
  const { signal, emit, cacheRoot, jobs, kernelId } = options;
  const { workloadArgs: args, cwd } = asked;
  const igt = { dir: asked.igt, expect: asked.igtExpect, cwd, cacheRoot, signal, emit };
  const workloads = await chooseWorkloads(asked.workloads, { cwd, args, signal, igt });
  const known = asked.baseline === undefined ? undefined : await readBaseline(asked.baseline, cwd);
  const distrust = known === undefined ? undefined : distrustOf(known.baseline.facts);
  if (distrust !== undefined) emit({ kind: 'note', text: distrust });
  const configs = await pinConfigs(asked, cwd);
  const dir = await options.openDirectory();
  const request = await keepInputs(
    asked,
    { workloads, ...(known === undefined ? {} : { baselineFile: known.file }) },
    { dir, signal },
  );
  const record: RunRecord = {
    schema: 'splat-replay/1',
    harness: writtenBy(),
    runId: options.runId,
    startedAt: new Date().toISOString(),
    request,
  };
  await writeWhole(join(dir, 'run.json'), `${JSON.stringify(record, null, 2)}\n`);
  const result = await runPlan({
    ...pickBuild(asked),
    ...configs,
    workloads: options.arrange?.(workloads) ?? workloads,
    ...labNeeds(workloads),
    // The curated tests of IGT are a default set, too.
    workloadsNamed: asked.workloads.some((name) => name !== 'igt'),
    ...(known === undefined ? {} : { baseline: known.baseline }),
    ...(asked.trials === undefined ? {} : { trials: asked.trials }),
    ...(kernelId === undefined ? {} : { kernelId }),
    ...(options.isWanted === undefined ? {} : { isWanted: options.isWanted }),
    ...(options.onTrialEnd === undefined ? {} : { onTrialEnd: options.onTrialEnd }),
    ...(jobs === undefined ? {} : { jobs }),
    parallelTrials: jobs,
    cacheRoot,
    signal,
    emit,
    dir,
  });
  return { dir, record, result };
}

/** The fields of a request that go into a run as they are. */
function pickBuild(asked: AskedRun): Omit<AskedRun, 'workloads' | 'baseline' | 'trials'> {
  const { workloads: _workloads, baseline: _baseline, trials: _trials, ...rest } = asked;
  return rest;
}

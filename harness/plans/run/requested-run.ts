import { join } from 'node:path';
import type { Emit } from '../../events.ts';
import { writeWhole } from '../../host/disk.ts';
import { pinnedModules } from '../../kernel/requested-modules.ts';
import { pinConfigs } from '../../kernel/test-kernel.ts';
import type { RunRecord } from '../../records/run-request.ts';
import type { RunResult } from '../../records/run-result.ts';
import { quickWorkloads } from '../../stress/quick-workloads.ts';
import { isKselftestList } from '../../trial/choose-kselftest.ts';
import { chooseWorkloads, withTestFragments } from '../../trial/choose-workloads.ts';
import { type ChosenWorkload, guestRequirements } from '../../trial/chosen-workload.ts';
import { writtenBy } from '../../trial/harness-facts.ts';
import { isIgtList } from '../../trial/igt-name.ts';
import { distrustOf, readBaseline } from './baseline.ts';
import { keepInputs, type RequestedRun } from './keep-inputs.ts';
import { type RunRequest, runPlan } from './run.ts';

export interface RequestedRunOptions {
  /** Returns the folder for the run, which is new or empty. Called when all inputs that the request names were found. */
  readonly openDirectory: () => Promise<string>;
  /** The id of this run in its events. */
  readonly runId: string;
  readonly cacheRoot: string;
  /** How many compilers, and how many guests, run at a time; undefined for as many as the host's cores and memory allow. */
  readonly jobs: number | undefined;
  /**
   * The key of a kernel that was built before, in the recorded run of a replay or in an earlier night. Absent: the request names
   * the kernel.
   */
  readonly kernelId?: string;
  /** Puts the workloads into the order in which their trials are to run; absent when they stay as they were chosen. */
  readonly arrange?: (workloads: readonly ChosenWorkload[]) => readonly ChosenWorkload[];
  /** Returns true for a trial that is to be run; absent: all trials are run. */
  readonly isWanted?: NonNullable<RunRequest['isWanted']>;
  /** Called with each trial as soon as it is judged. */
  readonly onTrialEnd?: NonNullable<RunRequest['onTrialEnd']>;
  readonly signal: AbortSignal;
  readonly emit: Emit;
}

/** A finished run: its directory, the contents of its run.json, and its result. */
export interface FinishedRun {
  readonly dir: string;
  readonly record: RunRecord;
  readonly result: RunResult;
}

/**
 * Runs what `splat run` was asked for and fills the folder of the run. The caller then writes the reports and result.json, without
 * which `splat replay` cannot repeat the run.
 */
export async function runRequested(
  asked: RequestedRun,
  options: RequestedRunOptions,
): Promise<FinishedRun> {
  const { signal, emit, cacheRoot, jobs, kernelId } = options;
  const { workloadArgs: args, cwd } = asked;
  const igt = { dir: asked.igt, expect: asked.igtExpect, cwd, cacheRoot, signal, emit };
  const names = asked.quick === true ? quickWorkloads : asked.workloads;
  const workloads = await chooseWorkloads(names, {
    cwd,
    args,
    signal,
    guest: asked.guest,
    gpu: asked.gpu,
    igt,
  });
  const known = asked.baseline === undefined ? undefined : await readBaseline(asked.baseline, cwd);
  const distrust = known === undefined ? undefined : distrustOf(known.baseline.facts);
  if (distrust !== undefined) emit({ kind: 'note', text: distrust });
  const configs = await pinConfigs(
    { ...asked, configs: withTestFragments(asked.workloads, asked.configs) },
    cwd,
  );
  const { modules, trees } = await pinnedModules(asked.modules ?? [], { cwd, cacheRoot, signal });
  const dir = await options.openDirectory();
  const request = await keepInputs(
    asked,
    { workloads, modules: trees, ...(known === undefined ? {} : { baselineFile: known.file }) },
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
    modules,
    workloads: options.arrange?.(workloads) ?? workloads,
    ...guestRequirements(workloads),
    // A list such as `igt` does not count as named workloads, because it stands for a default set.
    workloadsNamed: asked.workloads.some((name) => !isIgtList(name) && !isKselftestList(name)),
    hasDefaultSet: names.length === 0,
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

/** The fields of a request that a run takes unchanged. */
function pickBuild(
  asked: RequestedRun,
): Omit<RequestedRun, 'workloads' | 'modules' | 'baseline' | 'trials'> {
  const {
    workloads: _workloads,
    modules: _modules,
    baseline: _baseline,
    trials: _trials,
    ...rest
  } = asked;
  return rest;
}

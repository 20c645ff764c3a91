import { createHash } from 'node:crypto';
import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { HarnessError } from '../errors.ts';
import type { Checkpoint } from '../guest/checkpoint.ts';
import type { BuiltKernel } from '../kernel/kernel.ts';
import { scanLog } from '../splat/scanner.ts';
import { type Workload, workloads } from '../stress/workloads.ts';
import { type Verdict, worstVerdict } from '../verdict.ts';
import { canariesFor } from './canaries.ts';
import { decodeSplats } from './decode.ts';
import { countSplats, type SplatCount } from './findings.ts';
import { type Lab, type LabRequest, openLab } from './lab.ts';
import { buildTestKernel, type TestKernelRequest } from './test-kernel.ts';
import type { TrialPlan, TrialResult } from './trial.ts';
import { runTrials } from './trials.ts';

/** What `splat run` was asked to do. */
export interface RunRequest extends LabRequest, TestKernelRequest {
  /** Names of the table; empty for all of them. Canaries always run. */
  readonly workloads: readonly string[];
  /** Trials at a time; undefined: as many as cores and free memory allow. */
  readonly parallelTrials: number | undefined;
  readonly seed: number;
  /** Trials of each workload, spread over several boots. */
  readonly repeat: number;
  /** Boot for every trial instead of copying a checkpoint. */
  readonly cold: boolean;
  /** Milliseconds of stress; undefined: each workload's own. */
  readonly durationMs: number | undefined;
  /** The run directory; exists and is empty. */
  readonly dir: string;
}

/** result.json, schema splat-run/1. */
export interface RunResult {
  readonly schema: 'splat-run/1';
  readonly verdict: Verdict;
  /** Null when the kernel could not be built. */
  readonly kernel: KernelFacts | null;
  readonly accel: string | null;
  readonly accelReason: string | null;
  /** Splats of the boots, before any trial; they are in every copy's past. */
  readonly bootSplats: readonly SplatCount[];
  readonly trials: readonly TrialResult[];
  readonly seed: number;
  /** Milliseconds. */
  readonly timings: {
    readonly kernelMs: number;
    readonly bootMs: number;
    readonly trialsMs: number;
    readonly totalMs: number;
    /** User and system time of this process, without its children. */
    readonly harnessCpuSeconds: number;
  };
}

export interface KernelFacts {
  readonly id: string;
  readonly source: string;
  readonly release: string;
  readonly compiler: string;
  readonly sandbox: string;
  readonly fromCache: boolean;
  readonly imageDigest: string;
  readonly vmlinux: string;
}

/** Boots are expensive and their decisions few: more repeats than this share boots. */
const mostBoots = 4;

/** Builds, boots, stresses and judges. Everything but a fault of ours ends in a verdict. */
export async function runPlan(request: RunRequest): Promise<RunResult> {
  const chosen = chooseWorkloads(request.workloads);
  const clock = startClock();
  const built = await buildTestKernel(request);
  clock.lap('kernelMs');
  const nothing = {
    accel: null,
    accelReason: null,
    bootSplats: [],
    trials: [],
    seed: request.seed,
  };
  if (built.kind === 'untestable') {
    return {
      schema: 'splat-run/1',
      verdict: built.verdict,
      kernel: null,
      ...nothing,
      timings: clock.timings(),
    };
  }
  const kernel = kernelFacts(built.kernel);
  await copyFile(built.kernel.config, join(request.dir, 'kernel.config'));
  const lab = await openLab(built.kernel, request);
  const accel = { accel: lab.accel.accel, accelReason: lab.accel.reason };
  const boots = await bootAll(lab, request);
  clock.lap('bootMs');
  if (boots.kind === 'failed') {
    return {
      schema: 'splat-run/1',
      verdict: boots.verdict,
      kernel,
      ...nothing,
      ...accel,
      timings: clock.timings(),
    };
  }
  const plans = planTrials(chosen, built.kernel, request);
  const finished = await runTrials(plans, lab, boots.checkpoints, request);
  clock.lap('trialsMs');
  const decode = async <S extends Pick<SplatCount, 'text'>>(
    splats: readonly S[],
  ): Promise<readonly S[]> => decodeSplats(splats, built.kernel.vmlinux, request.signal);
  const bootSplats = await decode(countSplats(boots.logs.flatMap((log) => scanLog(log))));
  const trials: TrialResult[] = [];
  for (const trial of finished) {
    // A canary's splat is as seeded; nobody looks it up.
    trials.push(
      trial.verdict.kind === 'splat' ? { ...trial, splats: await decode(trial.splats) } : trial,
    );
  }
  const titles = bootSplats.map(({ title }) => title);
  const verdict = worstVerdict([
    ...(titles.length > 0 ? [{ kind: 'splat', titles } as const] : []),
    ...trials.map((trial) => trial.verdict),
  ]);
  return {
    schema: 'splat-run/1',
    verdict,
    kernel,
    ...accel,
    bootSplats,
    trials,
    seed: request.seed,
    timings: clock.timings(),
  };
}

function startClock(): {
  lap: (name: 'kernelMs' | 'bootMs' | 'trialsMs') => void;
  timings: () => RunResult['timings'];
} {
  const startedAt = performance.now();
  let lapAt = startedAt;
  const laps = { kernelMs: 0, bootMs: 0, trialsMs: 0 };
  return {
    lap: (name) => {
      const now = performance.now();
      laps[name] = Math.round(now - lapAt);
      lapAt = now;
    },
    timings: () => {
      const { user, system } = process.cpuUsage();
      const totalMs = Math.round(performance.now() - startedAt);
      return { ...laps, totalMs, harnessCpuSeconds: (user + system) / 1e6 };
    },
  };
}

/** The rows of the table that were asked for, in the table's order; throws `usage` for a name it does not have. */
export function chooseWorkloads(names: readonly string[]): readonly Workload[] {
  const known = workloads.map(({ name }) => name);
  const unknown = names.find((name) => !known.includes(name));
  if (unknown !== undefined) {
    throw new HarnessError(
      'usage',
      `--workload ${unknown}: no such workload; there are ${known.join(', ')}`,
    );
  }
  return names.length === 0 ? workloads : workloads.filter(({ name }) => names.includes(name));
}

/** One plan a trial, canaries first: a kernel that cannot speak is found out at once. */
function planTrials(
  chosen: readonly Workload[],
  kernel: BuiltKernel,
  request: RunRequest,
): readonly TrialPlan[] {
  const repeated = Array.from({ length: request.repeat }, (_, index) => index).flatMap((index) =>
    chosen.map((workload) => ({
      id: index === 0 ? workload.name : `${workload.name}.${index + 1}`,
      workload,
      bootIndex: index % bootCount(request),
    })),
  );
  const controls = canariesFor(kernel.version).map(({ workload, expected }) => ({
    id: `canary-${workload.canary}`,
    workload,
    bootIndex: 0,
    expected,
  }));
  return [...controls, ...repeated].map((plan) => ({
    ...plan,
    seed: trialSeed(request.seed, plan.id),
    durationMs:
      plan.workload.canary === undefined
        ? (request.durationMs ?? plan.workload.durationMs)
        : plan.workload.durationMs,
  }));
}

/** A trial's seed is decided by the run's seed and its id alone, so that one trial can be run again by itself. */
export function trialSeed(runSeed: number, id: string): number {
  return createHash('sha256').update(`${runSeed} ${id}`).digest().readUInt32BE(0);
}

function bootCount(request: RunRequest): number {
  return request.cold ? 1 : Math.min(request.repeat, mostBoots);
}

type Boots =
  | {
      readonly kind: 'booted';
      readonly checkpoints: readonly Checkpoint[];
      readonly logs: readonly string[];
    }
  | Extract<Awaited<ReturnType<Lab['checkpoint']>>, { kind: 'failed' }>;

async function bootAll(lab: Lab, request: RunRequest): Promise<Boots> {
  const checkpoints: Checkpoint[] = [];
  const logs: string[] = [];
  for (let index = 0; index < bootCount(request); index++) {
    const boot = await lab.checkpoint(index);
    if (boot.kind === 'failed') return boot;
    checkpoints.push(boot.checkpoint);
    logs.push(boot.bootLog);
  }
  return { kind: 'booted', checkpoints, logs };
}

function kernelFacts(kernel: BuiltKernel): KernelFacts {
  const { id, release, imageDigest, vmlinux, fromCache, facts } = kernel;
  const { sourceName, compiler, sandbox } = facts;
  return { id, source: sourceName, release, compiler, sandbox, fromCache, imageDigest, vmlinux };
}

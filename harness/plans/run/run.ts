import { createHash } from 'node:crypto';
import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Checkpoint } from '../../guest/checkpoint.ts';
import { valueDigest } from '../../host/store.ts';
import { findKernel } from '../../kernel/built-kernel.ts';
import type { BuildOutcome, BuiltKernel } from '../../kernel/kernel.ts';
import { buildTestKernel, type TestKernelRequest } from '../../kernel/test-kernel.ts';
import type { SeenSplat } from '../../records/finding.ts';
import type { KernelFacts, RunResult } from '../../records/run-result.ts';
import type { TrialResult } from '../../records/trial.ts';
import { canaryKernel } from '../../trial/canaries.ts';
import {
  type ChosenWorkload,
  guestRequirements,
  settleWorkloads,
} from '../../trial/chosen-workload.ts';
import { type GuestRequest, type GuestSource, openGuestSource } from '../../trial/guest-source.ts';
import { writtenBy } from '../../trial/harness-facts.ts';
import { type LookedAt, openLockRecord, writeLockOrder } from '../../trial/lock-record.ts';
import { planTrials } from '../../trial/plan-trials.ts';
import { runTrials } from '../../trial/run-trials.ts';
import type { TrialPlan } from '../../trial/trial-plan.ts';
import { isNotRun, type Verdict, worstVerdict } from '../../verdict.ts';
import { type Baseline, knownIn } from './baseline.ts';
import { coverageOf, openCoverageRecord } from './coverage.ts';
import { decodeAll } from './decode-all.ts';
import { moduleFacts, unexercisedModules } from './module-coverage.ts';

/** The options of `splat run`, with its inputs already read. */
export interface RunRequest extends GuestRequest, TestKernelRequest {
  /** The workloads to run, from chooseWorkloads(). The canaries of the kernel are run as well. */
  readonly workloads: readonly ChosenWorkload[];
  /** True when the user named the workloads, false for the default set. */
  readonly workloadsNamed: boolean;
  /** True when all default workloads run: the user named none, and the run is no quick run. */
  readonly hasDefaultSet?: boolean;
  /** The earlier run whose splats count as known; absent: none. */
  readonly baseline?: Baseline;
  /** The ids of the trials to run, canaries included; absent: all trials. */
  readonly trials?: readonly string[];
  /** Returns true for a trial that is to be run. Absent: all trials are run. */
  readonly isWanted?: (plan: TrialPlan) => boolean;
  /** Receives each trial as soon as it is judged, with the kernel that it ran on. */
  readonly onTrialEnd?: (trial: TrialResult, ran: RanOn) => Promise<void>;
  /**
   * The key of a kernel that was built before. That kernel is built again only if it is no longer in the cache. Absent: the other
   * fields say which kernel is built.
   */
  readonly kernelId?: string;
  /** How many trials run at the same time; undefined: as many as the host's cores and free memory allow. */
  readonly parallelTrials: number | undefined;
  readonly seed: number;
  /** The number of trials of each workload. They are spread over several boots. */
  readonly repeat: number;
  /** True when each trial boots a guest; false when each runs in a copy of a booted guest. */
  readonly cold: boolean;
  /** How long each workload runs, in milliseconds; undefined: each as long as its default. */
  readonly durationMs: number | undefined;
  /** The folder for the run, which exists and is empty. */
  readonly dir: string;
}

/** The kernel and the accelerator that a trial ran on. */
export interface RanOn {
  readonly kernel: KernelFacts;
  /** How QEMU ran the guest: `kvm` or `tcg`. */
  readonly accel: string;
}

/**
 * Builds a kernel, boots it, runs the workloads and judges their trials. A fault of the kernel ends in a verdict. A fault of the
 * user, the host or the harness is thrown.
 */
export async function runPlan(request: RunRequest): Promise<RunResult> {
  const clock = startClock();
  const built = (await recallKernel(request)) ?? (await buildTestKernel(request));
  clock.lap('kernelMs');
  const tested =
    built.kind === 'untestable'
      ? { ...untested, verdict: built.verdict }
      : await testKernel(built.kernel, { ...request, ...openedSource(built) }, clock);
  return {
    schema: 'splat-run/1',
    harness: writtenBy(),
    ...tested,
    ...(request.baseline === undefined ? {} : { baseline: request.baseline.facts }),
    seed: request.seed,
    timings: clock.timings(),
  };
}

function openedSource({
  source,
}: Extract<BuildOutcome, { kind: 'built' }>): Pick<RunRequest, 'source'> {
  return source === undefined ? {} : { source };
}

type Tested = Omit<RunResult, 'schema' | 'harness' | 'baseline' | 'seed' | 'timings'>;

const untested = {
  kernel: null,
  accel: null,
  accelReason: null,
  bootSplats: [],
  trials: [],
  locks: null,
};

async function recallKernel(request: RunRequest): Promise<BuildOutcome | undefined> {
  if (request.kernelId === undefined) return undefined;
  const kernel = await findKernel(request.cacheRoot, request.kernelId);
  return kernel === undefined ? undefined : { kind: 'built', kernel };
}

async function testKernel(
  built: BuiltKernel,
  request: RunRequest,
  clock: ReturnType<typeof startClock>,
): Promise<Tested> {
  await copyFile(built.config, join(request.dir, 'kernel.config'));
  const workloads = await settleWorkloads(request.workloads, built, request);
  const plans = planTrials(workloads, await canaryKernel(built), request);
  const guests = await openGuestSource(built, { ...request, ...guestRequirements(workloads) });
  const facts = {
    kernel: kernelFacts(built),
    accel: guests.accel.accel,
    accelReason: guests.accel.reason,
  };
  // With --cold no booted guest is copied: each trial boots, and its console shows the splats of its boot. The same holds for a
  // GPU that QEMU cannot restore.
  const cold = request.cold || !guests.spec.gpu.restorable;
  const boots: Boots = cold ? noBoots : await bootAll(guests, plans);
  clock.lap('bootMs');
  if (boots.kind === 'failed') return { ...untested, ...facts, verdict: boots.verdict };
  const known = knownIn(built.version, request.baseline);
  const locks = openLockRecord();
  const covered = openCoverageRecord();
  const { onTrialEnd } = request;
  const { kernel, accel } = facts;
  const finished = await runTrials(plans, guests, boots.checkpoints, {
    ...request,
    cold,
    known,
    // The lock order of a canary is left out, because its seeded bug takes locks in an order that the kernel does not have.
    locksOf: (plan) =>
      plan.workload.canary === undefined
        ? (dump) => locks.add(lookedAt(plan, { cold, guests, kernel }), dump)
        : undefined,
    coverageOf:
      ({ id }) =>
      (seen, armed) =>
        covered.add(id, seen, armed),
    ...(onTrialEnd === undefined
      ? {}
      : { onResult: async (trial: TrialResult) => onTrialEnd(trial, { kernel, accel }) }),
  });
  clock.lap('trialsMs');
  await writeLockOrder(request.dir, locks.order(), locks.seen());
  const { bootSplats, trials } = await decodeAll(boots.logs, finished, known, {
    vmlinux: built.vmlinux,
    signal: request.signal,
  });
  const { modules = [] } = moduleFacts(built.modules, guests.loaded(), trials);
  return {
    ...facts,
    verdict: worstVerdict([
      judgeRun(bootSplats, trials, request.workloadsNamed),
      ...unexercisedModules(modules, trials),
    ]),
    bootSplats,
    trials,
    ...(modules.length === 0 ? {} : { modules }),
    ...uncheckedIn(plans, trials),
    coverage: await coverageOf(covered, facts.kernel, finished, request),
    locks: locks.news(request.baseline?.locks),
  };
}

/**
 * Returns the trial, its boot and the digest `setting`. The lock orders of two trials may be compared only when their
 * `setting` is equal. The digest covers splat's version, the workload's program and duration, the kind of guest, and the
 * kernel's config fragments.
 */
function lookedAt(
  { id, bootIndex, workload, durationMs, upload }: TrialPlan,
  from: {
    readonly cold: boolean;
    readonly guests: GuestSource;
    readonly kernel: KernelFacts;
  },
): LookedAt {
  const { cold, guests, kernel } = from;
  const setting = valueDigest([
    [writtenBy().version, guests.setting, cold, kernel.fragments],
    [workload.name, workload.program, workload.args, durationMs],
    upload === undefined ? null : createHash('sha256').update(upload).digest('hex'),
  ]);
  return { trial: id, boot: cold ? null : bootIndex, setting: setting.slice(0, 16) };
}

/**
 * The checks that this kernel cannot make: those of canaries that this kernel version is known to miss and that this run did miss.
 */
function uncheckedIn(
  plans: readonly TrialPlan[],
  trials: readonly TrialResult[],
): Pick<RunResult, 'unchecked'> {
  const unchecked = plans.flatMap(({ id, hole }) => {
    const trial = trials.find((one) => one.id === id);
    const isMissed = trial?.verdict.kind === 'clean' && trial.splats.length === 0;
    return hole !== undefined && isMissed ? [hole.unchecked] : [];
  });
  return unchecked.length === 0 ? {} : { unchecked: [...new Set(unchecked)] };
}

/**
 * The verdict on a run: the worst of its trials and boots. Known splats of boots do not count. A workload of the default set that
 * this guest cannot run, such as `kvm` without virtualisation, decides nothing if another workload ran. A workload that the user
 * named always decides.
 */
export function judgeRun(
  bootSplats: readonly Pick<SeenSplat, 'title' | 'known'>[],
  trials: readonly Pick<TrialResult, 'canary' | 'verdict'>[],
  workloadsNamed: boolean,
): Verdict {
  const titles = bootSplats.filter(({ known }) => known !== true).map(({ title }) => title);
  const ran = trials.filter(({ verdict }) => !isNotRun(verdict));
  const anyRan = ran.some(({ canary }) => canary === undefined);
  return worstVerdict([
    ...(titles.length > 0 ? [{ kind: 'splat', titles } as const] : []),
    ...(anyRan && !workloadsNamed ? ran : trials).map(({ verdict }) => verdict),
  ]);
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

type Boots =
  | {
      readonly kind: 'booted';
      /** The saved guest of each boot, at the index of the boot. */
      readonly checkpoints: readonly (Checkpoint | undefined)[];
      readonly logs: readonly string[];
    }
  | Extract<Awaited<ReturnType<GuestSource['checkpoint']>>, { kind: 'failed' }>;

const noBoots: Boots = { kind: 'booted', checkpoints: [], logs: [] };

/** Boots each guest of which the trials need copies. Stops at the first boot that fails. */
async function bootAll(guests: GuestSource, plans: readonly TrialPlan[]): Promise<Boots> {
  const checkpoints: Checkpoint[] = [];
  const logs: string[] = [];
  for (const index of new Set(plans.map(({ bootIndex }) => bootIndex))) {
    const boot = await guests.checkpoint(index);
    if (boot.kind === 'failed') return boot;
    checkpoints[index] = boot.checkpoint;
    logs.push(boot.bootLog);
  }
  return { kind: 'booted', checkpoints, logs };
}

function kernelFacts(kernel: BuiltKernel): KernelFacts {
  const { id, release, imageDigest, vmlinux, fromCache, facts, fragments, store } = kernel;
  const { sourceName: source, compiler, sandbox } = facts;
  return {
    id,
    source,
    release,
    compiler,
    sandbox,
    fromCache,
    imageDigest,
    vmlinux,
    ...(fragments === undefined ? {} : { fragments }),
    ...(store === undefined ? {} : { store }),
  };
}

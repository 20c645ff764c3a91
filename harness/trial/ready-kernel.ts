import { HarnessError } from '../errors.ts';
import type { BuildOutcome } from '../kernel/kernel.ts';
import type { LockDump } from '../locks/dependencies.ts';
import type { SplatCount } from '../records/finding.ts';
import type { DroppedLines } from '../records/journal.ts';
import type { TrialResult } from '../records/trial.ts';
import { scanLog } from '../splat/scanner.ts';
import { inconclusive, type Untestable, type Verdict, verdictPhrase } from '../verdict.ts';
import { canariesFor, canaryKernel } from './canaries.ts';
import type { ChosenWorkload } from './chosen-workload.ts';
import { countSplats } from './findings.ts';
import { type GuestRequest, type GuestSource, openGuestSource } from './guest-source.ts';
import type { Prepared } from './observe.ts';
import { inParallel } from './parallel.ts';
import { trialSeed } from './plan-trials.ts';
import { openRunner, type TrialRunner } from './runner.ts';
import { openScheduler } from './scheduler.ts';
import { shortName } from './short-name.ts';
import type { TrialContext } from './trial-plan.ts';

/** How the trials of a commit are run, in a bisection or a series. */
export interface CommitTrialsRequest extends GuestRequest {
  readonly seed: number;
  /** How many milliseconds each workload runs; undefined for each workload's own duration. */
  readonly durationMs: number | undefined;
  /** How many trials run at a time; undefined for as many as the host can carry. */
  readonly parallelTrials: number | undefined;
  /** The folder for the trials: each has a folder below `trials/` in it. */
  readonly dir: string;
  /**
   * Receives what lockdep knew at the end of a trial of the commit `id`, canaries left out. Absent: lockdep's tables are not
   * read.
   */
  readonly onLocks?: (id: string, dump: LockDump) => void;
}

/** The name that stands for the boot in a list of workloads. The splats of a boot come before every trial of its copies. */
export const bootWorkload = 'boot';

/**
 * How many trials in a row run in copies of one boot, before the next boot is used. After the last boot comes the first again.
 * Copies of one boot are alike in everything that the boot decided.
 */
const trialsPerBoot = 8;
const mostBoots = 4;

/** The index of the boot that trial `index` of a commit is a copy of; both count from 0. */
export function bootOf(index: number): number {
  return Math.floor(index / trialsPerBoot) % mostBoots;
}

/** A commit whose kernel is booted. */
export interface ReadyCommit {
  readonly id: string;
  /** The SHA-256 of the kernel image, and of the modules if there are any. */
  readonly image: string;
  /** The accelerator on which its guests run, `kvm` or `tcg`. */
  readonly accel: string;
  /** False when the kernel came from the cache or a shared store. */
  readonly compiled: boolean;
  /** The lines of the configuration that this commit's Kconfig did not keep. */
  readonly dropped: DroppedLines;
  /** Those of the functions in the request's `profile` that this kernel can count. */
  readonly profiled: readonly string[];
  /** Runs a trial. `index` counts the trials of this commit from 0, and decides the boot and the seed. */
  readonly run: (chosen: ChosenWorkload, index: number) => Promise<TrialResult>;
  /**
   * Runs the canaries one after the other. Resolves to `proved` when this kernel shows all seeded bugs, to `unproved` when none
   * can be seeded in it, and otherwise to the verdict on the first canary that failed; a wrong splat becomes `canary-missed`.
   */
  readonly proveDetectors: () => Promise<'proved' | 'unproved' | Verdict>;
  /**
   * Runs all canaries. Resolves to those that this kernel does not show, each as `NAME (REASON)`, or to one sentence when the
   * bugs are not seeded in it.
   */
  readonly missedCanaries: () => Promise<readonly string[]>;
  /**
   * Resolves to the splats of the boot with this index; undefined when that boot failed. The kernel is booted for it, unless this
   * boot was asked for before or the cache has it. Each boot decides anew what all its copies have in common.
   */
  readonly bootAgain: (bootIndex: number) => Promise<readonly SplatCount[] | undefined>;
}

export type Preparation =
  | { readonly kind: 'ready'; readonly commit: ReadyCommit }
  | { readonly kind: 'untestable'; readonly verdict: Untestable };

/**
 * Boots the kernel of a commit. `id` names the commit and its trials' folders, and decides the trials' seeds with `request.seed`.
 */
export async function prepareCommit(
  id: string,
  built: BuildOutcome,
  request: CommitTrialsRequest,
): Promise<Preparation> {
  if (built.kind === 'untestable') return built;
  const { kernel } = built;
  const scheduler = openScheduler({ ...request, jobs: request.parallelTrials });
  const runner = openRunner({ ...request, scheduler });
  const source = { ...rememberBoots(await openGuestSource(kernel, request)), runner };
  const boot = await source.boots(0);
  if (boot.kind === 'failed') return { kind: 'untestable', verdict: boot.verdict };
  const { onLocks } = request;
  const listen = onLocks === undefined ? {} : { onLocks: (dump: LockDump) => onLocks(id, dump) };
  const run: ReadyCommit['run'] = async (chosen, index) =>
    runOne(`${shortName(id)}.${index}`, { ...chosen, ...listen, index }, source, request);
  const runCanary = async (one: ReturnType<typeof canariesFor>[number]): Promise<TrialResult> =>
    runOne(`${shortName(id)}.canary-${one.workload.canary}`, { ...one, index: 0 }, source, request);
  const commit = {
    id,
    image: kernel.imageDigest,
    accel: source.source.accel.accel,
    compiled: !kernel.fromCache,
    dropped: kernel.facts.dropped,
    profiled: (boot.checkpoint.prepared as Prepared).profiled ?? [],
    run,
    proveDetectors: async () => {
      const canaries = canariesFor(await canaryKernel(kernel));
      if (kernel.facts.leftOut.length > 0 || canaries.length === 0) return 'unproved';
      for (const one of canaries) {
        const { verdict } = await runCanary(one);
        const { workload } = one;
        if (verdict.kind === 'splat') {
          return inconclusive('canary-missed', `${workload.canary}: ${verdict.titles.join('; ')}`);
        }
        if (verdict.kind !== 'clean') return verdict;
      }
      return 'proved';
    },
    missedCanaries: async () => {
      if (kernel.facts.leftOut.length > 0) return ['the seeded bugs are not in this kernel'];
      const missed = await inParallel(
        canariesFor(await canaryKernel(kernel)),
        scheduler.lanes,
        async (one): Promise<readonly string[]> => {
          const { verdict } = await runCanary(one);
          const { workload } = one;
          if (verdict.kind === 'clean') return [];
          const why = 'titles' in verdict ? verdict.titles.join('; ') : verdictPhrase(verdict);
          return [`${workload.canary} (${why})`];
        },
      );
      return missed.flat();
    },
    bootAgain: source.bootSplats,
  } satisfies ReadyCommit;
  return { kind: 'ready', commit };
}

/** A guest source that remembers the boots it was asked for, because the store reads a whole entry at each request. */
interface BootedSource {
  readonly source: GuestSource;
  readonly runner: TrialRunner;
  readonly boots: GuestSource['checkpoint'];
  /** Does what bootAgain() of ReadyCommit does. Each boot log is read only once, however many trials need it. */
  readonly bootSplats: ReadyCommit['bootAgain'];
}

function rememberBoots(source: GuestSource): Omit<BootedSource, 'runner'> {
  const boots = remember(source.checkpoint);
  const bootSplats = remember(async (bootIndex) => {
    const boot = await boots(bootIndex);
    return boot.kind === 'failed' ? undefined : countSplats(scanLog(boot.bootLog));
  });
  return { source, boots, bootSplats };
}

function remember<T>(ask: (bootIndex: number) => Promise<T>): (bootIndex: number) => Promise<T> {
  const known = new Map<number, Promise<T>>();
  return async (bootIndex) => {
    const answer = known.get(bootIndex) ?? ask(bootIndex);
    known.set(bootIndex, answer);
    return answer;
  };
}

/** A trial of a commit. `index` counts the commit's trials, which take turns on the boots (bootOf()); canaries have 0. */
interface OneTrial extends ChosenWorkload, Pick<TrialContext, 'onLocks'> {
  readonly index: number;
  readonly expected?: readonly string[];
  readonly endsGuest?: true;
}

async function runOne(
  id: string,
  trial: OneTrial,
  { source, boots, runner }: BootedSource,
  request: CommitTrialsRequest,
): Promise<TrialResult> {
  const { workload, index, onLocks, ...rest } = trial;
  const bootIndex = bootOf(index);
  const asked = await boots(bootIndex);
  // A kernel that boots only sometimes is tested in the first boot, which worked.
  const boot = asked.kind === 'saved' ? asked : await boots(0);
  if (boot.kind === 'failed')
    throw new HarnessError(
      'internal',
      `${id}: the kernel's first boot worked, but the guest that it saved is missing`,
    );
  const { signal } = request;
  const plan = {
    id: `${id}.${workload.name}`,
    workload,
    seed: trialSeed(request.seed, `${id} ${workload.name}`),
    durationMs: request.durationMs ?? workload.durationMs,
    bootIndex,
    ...rest,
  };
  return runner.run(plan, {
    start: async (consolePath, onConsole) =>
      source.fork(boot.checkpoint, { consolePath, onConsole, signal }),
    ...(onLocks === undefined ? {} : { onLocks }),
  });
}

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

/** How to run the trials of a commit (of a bisection) or of a patch (of a series). */
export interface CommitTrialsRequest extends GuestRequest {
  readonly seed: number;
  /** How many milliseconds each workload runs; undefined for each workload's own duration. */
  readonly durationMs: number | undefined;
  /** How many trials run at a time. Undefined: as many as the host can carry. */
  readonly parallelTrials: number | undefined;
  /** The folder of the bisection or series. Each trial gets a folder in `trials` below this folder. */
  readonly dir: string;
  /**
   * Receives what lockdep knew at the end of each trial of the commit `id`, except canaries (trials with a seeded bug). Absent:
   * lockdep's tables are not read.
   */
  readonly onLocks?: (id: string, dump: LockDump) => void;
}

/**
 * The name of the kernel's boot in a list of workloads, because a boot can show splats, too. All trials in copies of this boot
 * come after the boot.
 */
export const bootWorkload = 'boot';

/**
 * How many trials of a commit run in copies of a boot before the trials use the next boot (`trialsPerBoot`), and how many boots
 * there are (`mostBoots`). The first boot follows the last again. Copies of a boot are alike in everything that the boot decided.
 */
const trialsPerBoot = 8;
const mostBoots = 4;

/** Returns the index of the boot whose copy runs trial `index` of a commit. Both indices count from 0. */
export function bootOf(index: number): number {
  return Math.floor(index / trialsPerBoot) % mostBoots;
}

/** A commit of a bisection or series whose kernel is built and booted. */
export interface ReadyCommit {
  readonly id: string;
  /** The SHA-256 of the kernel image, and of the modules if there are any. */
  readonly image: string;
  /** QEMU's accelerator for the guests, `kvm` or `tcg`. */
  readonly accel: string;
  /** False when the kernel came from the cache or a shared store. */
  readonly compiled: boolean;
  /** The requested lines of the configuration that this commit's Kconfig dropped. */
  readonly dropped: DroppedLines;
  /** The requested functions whose calls this kernel can count. */
  readonly profiled: readonly string[];
  /**
   * Runs a trial and returns its result. `index` counts the trials of this commit from 0. The index decides the seed, and the boot
   * whose copy is the trial's guest.
   */
  readonly run: (chosen: ChosenWorkload, index: number) => Promise<TrialResult>;
  /**
   * Runs the canaries (workloads with a seeded bug) one after the other. Resolves to `proved` when each canary shows exactly its
   * splat. Resolves to `unproved` when no bug can be seeded in this kernel. Otherwise resolves to the verdict on the first canary
   * that failed; this verdict is `canary-missed` for a wrong splat.
   */
  readonly proveDetectors: () => Promise<'proved' | 'unproved' | Verdict>;
  /**
   * Runs all canaries (workloads with a seeded bug). Resolves to the canaries that do not show their splat, each as a text
   * `NAME (REASON)`. Resolves to a sentence that says so when the driver of the seeded bugs is not in this kernel.
   */
  readonly missedCanaries: () => Promise<readonly string[]>;
  /**
   * Resolves to the splats of the boot with this index, or to undefined when that boot failed. Boots the kernel now, unless this
   * boot was made before or is in the cache. Each boot decides anew what its copies have in common.
   */
  readonly bootAgain: (bootIndex: number) => Promise<readonly SplatCount[] | undefined>;
}

export type Preparation =
  | { readonly kind: 'ready'; readonly commit: ReadyCommit }
  | { readonly kind: 'untestable'; readonly verdict: Untestable };

/**
 * Boots the built kernel of a commit. Returns the commit ready for trials, or the verdict that its kernel is untestable. `id`
 * names the commit and the folders of its trials. `id` and `request.seed` together decide the seeds of the trials.
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

/**
 * A source of guests that remembers its boots. Without this, each request for a boot would read a saved guest from the cache.
 */
interface BootedSource {
  readonly source: GuestSource;
  readonly runner: TrialRunner;
  readonly boots: GuestSource['checkpoint'];
  /** Does what bootAgain() of ReadyCommit does. Reads each boot log only once, however many trials need the log. */
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

/** A trial of a commit. `index` counts the trials of the commit and decides the boot (bootOf()). Each canary has the index 0. */
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
  // When a kernel boots only sometimes, the trial uses the first boot, which worked.
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

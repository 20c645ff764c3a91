import { counted } from '../counted.ts';
import { HarnessError } from '../errors.ts';
import { type Emit, inStage } from '../events.ts';
import type { Checkpoint } from '../guest/checkpoint.ts';
import type { TrialResult } from '../records/trial.ts';
import { verdictPhrase } from '../verdict.ts';
import type { GuestSource } from './guest-source.ts';
import { inParallel } from './parallel.ts';
import { type KnownSplats, openRunner } from './runner.ts';
import { openScheduler } from './scheduler.ts';
import type { TrialContext, TrialPlan } from './trial-plan.ts';

/** How to run trials. */
export interface TrialsRequest {
  readonly cacheRoot: string;
  /** How many trials run at a time. Undefined: as many as the host can carry (scheduler.ts). */
  readonly parallelTrials: number | undefined;
  readonly memoryMiB: number;
  readonly cpus: number;
  /** True: every trial boots its own guest. False: trials run in copies of saved guests. */
  readonly cold: boolean;
  /** Known splats, which do not decide a verdict. Absent: no splat is known. */
  readonly known?: KnownSplats;
  /** The run directory. */
  readonly dir: string;
  readonly signal: AbortSignal;
  readonly emit: Emit;
  /**
   * Returns the function that receives lockdep's tables at the end of the trial `plan`. Undefined or absent: the tables are not
   * read.
   */
  readonly locksOf?: (plan: TrialPlan) => TrialContext['onLocks'];
  /**
   * For a coverage run: returns the function that receives what code ran in the trial `plan`. Undefined or absent: no function
   * receives this.
   */
  readonly coverageOf?: (plan: TrialPlan) => TrialContext['onCoverage'];
  /** Receives each result at once. Until the returned promise resolves, no further trial starts in place of the ended trial. */
  readonly onResult?: (result: TrialResult) => Promise<void>;
}

/**
 * Runs all trials, several at a time, and returns their results in the order of the plans. The trials start in the order of
 * startOrder(). `checkpoints` are the saved guests, by the index of the boot. With `cold`, and for a workload with boot arguments,
 * a trial boots its own guest and needs no checkpoint.
 */
export async function runTrials(
  plans: readonly TrialPlan[],
  source: GuestSource,
  checkpoints: readonly (Checkpoint | undefined)[],
  request: TrialsRequest,
): Promise<readonly TrialResult[]> {
  const { emit, signal, cold, locksOf, coverageOf } = request;
  const total = plans.length;
  const title = counted(total, 'trial');
  const scheduler = openScheduler({ ...request, jobs: request.parallelTrials });
  const runner = openRunner({ ...request, scheduler });
  const results: TrialResult[] = [];
  return inStage(
    emit,
    'trials',
    title,
    async () => {
      await inParallel(startOrder(plans), scheduler.lanes, async ({ plan, index }) => {
        emit({ kind: 'trial-start', id: plan.id, index, total });
        const onLocks = locksOf?.(plan);
        const onCoverage = coverageOf?.(plan);
        const result = await runner.run(plan, {
          start: async (consolePath, onConsole) => {
            const options = { consolePath, onConsole, signal };
            const { bootArguments } = plan.workload;
            if (bootArguments !== undefined) return source.boot({ ...options, bootArguments });
            if (cold) return source.boot(options);
            const checkpoint = checkpoints[plan.bootIndex];
            if (checkpoint !== undefined) return source.fork(checkpoint, options);
            throw new HarnessError(
              'internal',
              `trial ${plan.id} needs boot ${plan.bootIndex}, which has no checkpoint`,
            );
          },
          ...(onLocks === undefined ? {} : { onLocks }),
          ...(onCoverage === undefined ? {} : { onCoverage }),
        });
        await request.onResult?.(result);
        const phrase = verdictPhrase(result.verdict);
        emit({ kind: 'trial-end', id: plan.id, phrase, durationMs: result.timings.totalMs });
        results[index] = result;
      });
      return results;
    },
    () => title,
  );
}

/**
 * Returns the trials, each with its index among `plans`, in the order in which they start. Canaries come first, as planned, so that
 * dead detectors show early. The longest of the other trials follow: a long trial that starts last would run alone at the end.
 */
export function startOrder(
  plans: readonly TrialPlan[],
): readonly { readonly plan: TrialPlan; readonly index: number }[] {
  // The difference of two infinite times is NaN, so equal times must be compared first.
  return plans
    .map((plan, index) => ({ plan, index, ms: expectedMs(plan) }))
    .toSorted((a, b) => (a.ms === b.ms ? 0 : b.ms - a.ms));
}

function expectedMs({ workload, durationMs }: TrialPlan): number {
  return workload.canary === undefined ? Math.max(workload.longMs ?? 0, durationMs) : Infinity;
}

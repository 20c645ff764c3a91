import { createHash } from 'node:crypto';
import { HarnessError } from '../errors.ts';
import type { KernelVersion } from '../kernel/source.ts';
import { type CanaryKernel, canariesFor, holesOf } from './canaries.ts';
import type { ChosenWorkload } from './chosen-workload.ts';
import type { TrialPlan } from './trial-plan.ts';

/** The options that decide, together with the workloads, which trials are planned. */
export interface TrialChoice {
  readonly seed: number;
  readonly repeat: number;
  readonly cold: boolean;
  readonly durationMs: number | undefined;
  /** The ids of the trials to run. Absent: all trials are run. */
  readonly trials?: readonly string[];
  /** Returns true for a trial that is to be run. Absent: all trials are run. */
  readonly isWanted?: (plan: TrialPlan) => boolean;
}

/**
 * How many guests a run without --cold boots and saves at most. A boot is expensive and decides little, so with more repeats,
 * several repeats run in copies of the same boot.
 */
const mostBoots = 4;

/**
 * Returns one plan for each trial. The canaries (workloads with a seeded bug) come first, so that dead detectors show early. Then
 * come `repeat` trials of each workload; a workload of which no part runs on this kernel is left out. `repeat` and `durationMs`
 * do not change the canaries. Throws `usage` when `trials` names a trial that does not exist.
 */
export function planTrials(
  chosen: readonly ChosenWorkload[],
  kernel: CanaryKernel,
  choice: TrialChoice,
): readonly TrialPlan[] {
  const boots = choice.cold ? 1 : Math.min(choice.repeat, mostBoots);
  const here = chosen.flatMap((one) => forKernel(one, kernel.version) ?? []);
  const repeated = Array.from({ length: choice.repeat }, (_, index) => index).flatMap((index) =>
    here.map(({ workload, upload, readTests }) => ({
      id: index === 0 ? workload.name : `${workload.name}.${index + 1}`,
      workload,
      bootIndex: index % boots,
      ...(upload === undefined ? {} : { upload }),
      ...(readTests === undefined ? {} : { readTests }),
    })),
  );
  const controls = canariesFor(kernel).map((canary) => ({
    id: `canary-${canary.workload.canary}`,
    bootIndex: 0,
    ...canary,
  }));
  const holes = holesOf(kernel).map(({ workload, ...hole }) => ({
    id: `canary-${workload.canary}`,
    workload,
    bootIndex: 0,
    hole,
  }));
  const plans = [...controls, ...holes, ...repeated].map((plan) => ({
    ...plan,
    seed: trialSeed(choice.seed, plan.id),
    durationMs:
      plan.workload.canary === undefined
        ? (choice.durationMs ?? plan.workload.durationMs)
        : plan.workload.durationMs,
  }));
  const wanted = onlyTrials(plans, choice.trials);
  return choice.isWanted === undefined ? wanted : wanted.filter(choice.isWanted);
}

/** Returns the workload as it runs on a kernel of this version; undefined when no part of it runs there. */
function forKernel(chosen: ChosenWorkload, version: KernelVersion): ChosenWorkload | undefined {
  return chosen.forKernel === undefined ? chosen : chosen.forKernel(version);
}

function onlyTrials(
  plans: readonly TrialPlan[],
  ids: readonly string[] | undefined,
): readonly TrialPlan[] {
  if (ids === undefined) return plans;
  const unknown = ids.find((id) => plans.every((plan) => plan.id !== id));
  if (unknown === undefined) return plans.filter(({ id }) => ids.includes(id));
  const known = plans.map(({ id }) => id).join(', ');
  throw new HarnessError('usage', `the run has no trial ${unknown}; its trials are ${known}`);
}

/** Returns the seed of a trial. It depends only on the run's seed and the trial's id, so that a single trial can be repeated. */
export function trialSeed(runSeed: number, id: string): number {
  return createHash('sha256').update(`${runSeed} ${id}`).digest().readUInt32BE(0);
}

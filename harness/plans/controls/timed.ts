import type { AnnotationState, TimedCell } from '../../records/controls.ts';
import type { TrialResult } from '../../records/trial.ts';
import { trialSeed } from '../../trial/plan-trials.ts';
import type { TrialPlan } from '../../trial/trial-plan.ts';
import type { CellPlan } from './cell.ts';
import { summarizeTimes } from './detect-time.ts';

/** The time limit of a fork (a fresh copy of a booted guest) that shows no splat, in milliseconds. */
const capMs = 20_000;
/** The states in which times are measured: the annotation series claims a difference between these two. */
const timedStates: readonly AnnotationState[] = ['in', 'removed'];

/** A fork (a fresh copy of a booted guest) that measures how long the detection of a cell's bug takes. */
export interface TimedFork {
  readonly cell: CellPlan;
  readonly trial: TrialPlan;
}

/**
 * Plans `repeat` forks of every timed cell. No forks when `repeat` is below 2, or in the states `readded` and `extended`. A fork
 * repeats its trigger until the splat is seen or the time is up.
 */
export function planForks(
  plans: readonly CellPlan[],
  state: AnnotationState,
  { repeat, seed }: { readonly repeat: number; readonly seed: number },
): readonly TimedFork[] {
  if (repeat < 2 || !timedStates.includes(state)) return [];
  return plans
    .filter(({ timed }) => timed)
    .flatMap((cell) =>
      Array.from({ length: repeat }, (_, index) => {
        const { workload } = cell.trial;
        const id = `${cell.trial.id}.timed-${index + 1}`;
        const args = [...workload.args, '--times', 'always'];
        const trial = {
          id,
          workload: { ...workload, args },
          seed: trialSeed(seed, id),
          durationMs: capMs,
          bootIndex: 0,
          endAtSplat: true,
        } as const;
        return { cell, trial };
      }),
    );
}

/**
 * Summarizes the forks of one column (a kernel in one state of its annotations), with an entry for each cell. `results` are in
 * the order of `forks`. A time is that from the workload's first line to the first splat.
 */
export function summarizeForks(
  forks: readonly TimedFork[],
  results: readonly TrialResult[],
  column: { readonly kernel: string; readonly annotations: AnnotationState },
): readonly TimedCell[] {
  const cells = [...new Set(forks.map(({ cell }) => cell))];
  return cells.map((cell) => {
    const own = results.filter((_, index) => forks[index]?.cell === cell);
    const times = own.map(({ timings: { firstLineMs, firstSplatMs } }) =>
      firstSplatMs === null ? null : Math.max(0, firstSplatMs - (firstLineMs ?? firstSplatMs)),
    );
    const { mode, notifier, trigger } = cell;
    const { kernel, annotations } = column;
    const row = cell.rule.id;
    return { row, kernel, annotations, mode, notifier, trigger, ...summarizeTimes(times, capMs) };
  });
}

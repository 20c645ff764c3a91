import type { AnnotationState, TimedCell } from '../../records/controls.ts';
import type { TrialResult } from '../../records/trial.ts';
import { trialSeed } from '../../trial/plan-trials.ts';
import type { TrialPlan } from '../../trial/trial-plan.ts';
import type { CellPlan } from './cell.ts';
import { summarizeTimes } from './detect-time.ts';

/** The most milliseconds that a trial waits for the splat whose time it measures. */
const capMs = 20_000;
/** The states of the annotations in which times are measured. The patches of the annotations claim that these two differ. */
const timedStates: readonly AnnotationState[] = ['in', 'removed'];

/** A trial that measures how long the kernel takes to report the bug of a cell of the detection matrix. */
export interface TimedFork {
  readonly cell: CellPlan;
  readonly trial: TrialPlan;
}

/**
 * Plans `repeat` trials for each cell of the detection matrix whose time is measured. Each triggers its bug again and again until
 * the splat is seen or the time is up. Returns an empty list when `repeat` is below 2, and in the states `readded` and `extended`.
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
 * Summarizes the measured times of a kernel in one state of its annotations, with an entry for each cell of the detection matrix.
 * `results` are in the order of `forks`. A time runs from the first line of the workload to the first splat. A trial that could
 * not have shown a splat (its guest fell silent, or the bug was never triggered) does not count.
 */
export function summarizeForks(
  forks: readonly TimedFork[],
  results: readonly TrialResult[],
  column: { readonly kernel: string; readonly annotations: AnnotationState },
): readonly TimedCell[] {
  const cells = [...new Set(forks.map(({ cell }) => cell))];
  return cells.map((cell) => {
    const own = results.filter((_, index) => forks[index]?.cell === cell);
    const heard = own.filter(
      ({ verdict, timings }) => timings.firstSplatMs !== null || verdict.kind !== 'inconclusive',
    );
    const times = heard.map(({ timings: { firstLineMs, firstSplatMs } }) =>
      firstSplatMs === null ? null : Math.max(0, firstSplatMs - (firstLineMs ?? firstSplatMs)),
    );
    const { mode, notifier, trigger } = cell;
    const { kernel, annotations } = column;
    const row = cell.rule.id;
    return { row, kernel, annotations, mode, notifier, trigger, ...summarizeTimes(times, capMs) };
  });
}

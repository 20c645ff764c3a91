import { isHarnessError } from './errors.ts';

/**
 * What happens during a run, as it happens. Plans emit, reporters listen. A state machine: a stage starts, makes
 * progress, ends; trials start and end inside no stage and may overlap. A failure is the last event of its stage.
 */
export type HarnessEvent =
  | { readonly kind: 'note'; readonly text: string }
  | { readonly kind: 'stage-start'; readonly stage: Stage; readonly text: string }
  /** `total` is undefined while nobody knows it; counts are of `unit`. */
  | {
      readonly kind: 'stage-progress';
      readonly stage: Stage;
      readonly done: number;
      readonly total: number | undefined;
      readonly unit: string;
    }
  | {
      readonly kind: 'stage-end';
      readonly stage: Stage;
      readonly text: string;
      readonly durationMs: number;
      readonly failed: boolean;
      /** It was stopped from outside, and neither failed nor came to its end. */
      readonly interrupted?: boolean;
    }
  | {
      readonly kind: 'trial-start';
      readonly id: string;
      readonly index: number;
      readonly total: number;
    }
  | {
      readonly kind: 'trial-end';
      readonly id: string;
      readonly phrase: string;
      readonly durationMs: number;
    }
  | { readonly kind: 'splat'; readonly trial: string; readonly title: string };

export type Stage = 'source' | 'build' | 'guest' | 'accel' | 'boot' | 'trials';

export type Emit = (event: HarnessEvent) => void;

/** How a stage ended, in words; a bare string is a success. */
export type StageEnd = string | { readonly text: string; readonly failed: boolean };

/**
 * Runs `work` as a stage: one start, one end, whether it succeeds or throws. `done` words the end from the result, which
 * may be a kernel's failure.
 */
export async function inStage<T>(
  emit: Emit,
  stage: Stage,
  text: string,
  work: () => Promise<T>,
  done: (result: T) => StageEnd,
): Promise<T> {
  const startedAt = performance.now();
  emit({ kind: 'stage-start', stage, text });
  try {
    const result = await work();
    const durationMs = performance.now() - startedAt;
    const end = done(result);
    const ended = typeof end === 'string' ? { text: end, failed: false } : end;
    emit({ kind: 'stage-end', stage, ...ended, durationMs });
    return result;
  } catch (error) {
    const durationMs = performance.now() - startedAt;
    const interrupted = isHarnessError(error, 'interrupted');
    emit({ kind: 'stage-end', stage, text, durationMs, failed: !interrupted, interrupted });
    throw error;
  }
}

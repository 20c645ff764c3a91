import { isHarnessError } from './errors.ts';
import type { HarnessEvent, Stage } from './records/event.ts';

/** The function with which the harness reports an event (records/event.ts) to the reporters. */
export type Emit = (event: HarnessEvent) => void;

/**
 * The end of a stage of a run, such as the build: the end in words, and whether the stage failed. A string alone stands for
 * a success.
 */
export type StageEnd = string | { readonly text: string; readonly failed: boolean };

/**
 * Runs `work` as a stage of a run, such as the build, and returns its result. One event reports the start of the stage, and one
 * event its end. `done` makes the words of the end event from the result, and may say that the stage failed. When `work` throws,
 * the end event repeats the words of the start event, and the error is thrown on.
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

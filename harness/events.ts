import { isHarnessError } from './errors.ts';
import type { HarnessEvent, Stage } from './records/event.ts';

/** The function with which the harness reports an event (records/event.ts) to the reporters. */
export type Emit = (event: HarnessEvent) => void;

/** The end of a stage in words, and whether the stage failed. A bare string is a success. */
export type StageEnd = string | { readonly text: string; readonly failed: boolean };

/**
 * Runs `work` as a stage with one start and one end event, whether it succeeds or throws, and returns its result. `done` makes
 * the words of the end from the result, which may be a kernel's failure. An error is thrown on; the end event then has the words
 * of the start.
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

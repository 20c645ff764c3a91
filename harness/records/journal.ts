import * as v from 'valibot';
import { harnessField } from './harness.ts';
import { described, type Recorded } from './schema.ts';

/**
 * The first line of each journal of a series or a bisection. This line identifies the request, so that splat does not continue the
 * journal of another request.
 */
export const questionFactSchema = v.object({
  kind: v.literal('question'),
  key: v.string(),
  harness: harnessField,
});

export type QuestionFact = Recorded<typeof questionFactSchema>;

/** The lines of a configuration that were requested, and that the final .config does not have. */
export const droppedLinesSchema = v.object({
  demanded: described(v.array(v.string()), 'Demands of fragments that do not hold.'),
  base: described(v.array(v.string()), 'Lines of a base that is a file: `CONFIG_X=y (is n)`.'),
  lean: v.exactOptional(
    described(v.array(v.string()), 'Lines that would keep the kernel lean and decide nothing.'),
  ),
});

export type DroppedLines = Recorded<typeof droppedLinesSchema>;

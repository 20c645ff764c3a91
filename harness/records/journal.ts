import * as v from 'valibot';
import { harnessField } from './harness.ts';
import { described, type Recorded } from './schema.ts';

/** The first fact of each journal. It identifies the question, so that the journal of another question is not used. */
export const questionFactSchema = v.object({
  kind: v.literal('question'),
  key: v.string(),
  harness: harnessField,
});

export type QuestionFact = Recorded<typeof questionFactSchema>;

/** Lines of a configuration that do not hold in the final .config. */
export const droppedLinesSchema = v.object({
  demanded: described(v.array(v.string()), 'Demands of fragments that do not hold.'),
  base: described(v.array(v.string()), 'Lines of a base that is a file: `CONFIG_X=y (is n)`.'),
  lean: v.exactOptional(
    described(v.array(v.string()), 'Lines that would keep the kernel lean and decide nothing.'),
  ),
});

export type DroppedLines = Recorded<typeof droppedLinesSchema>;

import * as v from 'valibot';
import { droppedLinesSchema, questionFactSchema } from './journal.ts';
import { described, type Recorded, texts } from './schema.ts';

/**
 * The outcome of a trial of a bisection. `hit`: the trial showed the splat that is sought. `miss`: the trial could have shown the
 * splat and did not. `void`: the trial could not have shown the splat, for example after another splat that turned lockdep off.
 */
const trialOutcomeSchema = v.picklist(['hit', 'miss', 'void']);

/**
 * A line of a bisection's journal.jsonl: one fact, such as the outcome of a trial. `commit` is a commit's id. Times are in seconds.
 */
export const bisectFactSchema = v.variant('kind', [
  questionFactSchema,
  described(
    v.object({
      kind: v.literal('looked'),
      commit: v.string(),
      workload: v.string(),
      because: v.exactOptional(
        described(v.string(), 'Why it could not have shown a splat; absent: it could.'),
      ),
      seconds: v.number(),
    }),
    'A trial of the bad end before it was known which workload shows what is looked for.',
  ),
  described(
    v.object({ kind: v.literal('sought'), text: v.string(), workload: v.string() }),
    'What is looked for, and the workload that shows it.',
  ),
  v.object({
    kind: v.literal('built'),
    commit: v.string(),
    image: described(v.string(), 'SHA-256 of the image.'),
    compiled: described(v.boolean(), 'False when the kernel was in the cache.'),
    dropped: v.exactOptional(
      described(
        droppedLinesSchema,
        'Lines of the configuration its Kconfig did not keep; absent for none.',
      ),
    ),
    unproved: v.exactOptional(
      described(
        v.literal(true),
        'The seeded bugs cannot show that its detectors work without them.',
      ),
    ),
    seconds: v.number(),
  }),
  v.object({
    kind: v.literal('broken'),
    commit: v.string(),
    because: v.string(),
    message: v.string(),
    seconds: v.number(),
  }),
  v.object({
    kind: v.literal('trial'),
    commit: v.string(),
    workload: v.string(),
    outcome: trialOutcomeSchema,
    others: described(texts, 'Titles of splats that were not the one sought.'),
    seconds: v.number(),
  }),
]);

export type TrialOutcome = Recorded<typeof trialOutcomeSchema>;
export type BisectFact = Recorded<typeof bisectFactSchema>;

import * as v from 'valibot';
import { described, type Recorded } from './schema.ts';
import { patchVerdictSchema } from './verdict.ts';

const stageSchema = v.picklist(['source', 'build', 'guest', 'accel', 'boot', 'trials']);
const durationMs = described(v.number(), 'Milliseconds.');
const trialId = described(v.string(), 'Id of the trial.');

/**
 * An event of a run. The events follow rules. A stage, such as the build, starts, makes progress and ends. Stages do not overlap,
 * but in the stage `trials` several trials may run at the same time. A stage that fails or is interrupted ends too, with `failed`
 * or `interrupted` set. A note may come at any time, and a splat while its trial runs.
 */
export const eventSchema = v.variant('kind', [
  v.object({ kind: v.literal('note'), text: v.string() }),
  v.object({ kind: v.literal('stage-start'), stage: stageSchema, text: v.string() }),
  v.object({
    kind: v.literal('stage-progress'),
    stage: stageSchema,
    done: described(v.number(), 'A count of `unit`.'),
    total: v.exactOptional(described(v.number(), 'Absent while nobody knows it.')),
    unit: v.string(),
  }),
  v.object({
    kind: v.literal('stage-end'),
    stage: stageSchema,
    text: v.string(),
    durationMs,
    failed: v.boolean(),
    interrupted: v.exactOptional(
      described(
        v.boolean(),
        'It was stopped from outside, and neither failed nor came to its end.',
      ),
    ),
  }),
  v.object({
    kind: v.literal('trial-start'),
    id: trialId,
    index: described(v.number(), 'From 0.'),
    total: v.number(),
  }),
  v.object({ kind: v.literal('trial-end'), id: trialId, phrase: v.string(), durationMs }),
  v.object({ kind: v.literal('splat'), trial: trialId, title: v.string() }),
  described(
    v.object({
      kind: v.literal('so-far'),
      patches: described(
        v.array(v.object({ index: v.number(), verdict: patchVerdictSchema })),
        'The verdicts of a series if no further trial were run.',
      ),
      trials: described(v.number(), 'Trials that count until now.'),
      seenAbove: described(
        v.nullable(v.number()),
        'A splat of any prefix that fires more often than this would have been seen with a chance of 95 %; null: nothing was heard.',
      ),
      left: described(v.number(), 'Trials to come, should none of them show a splat.'),
      leftMs: v.exactOptional(
        described(v.number(), 'Milliseconds they take at the pace of the trials before.'),
      ),
    }),
    'What is known of a series, each time every prefix is surer.',
  ),
]);

const stampSchema = v.object({
  runId: described(v.string(), 'Equal in all events of one run of the harness: a UUID.'),
  atMs: described(v.number(), 'Milliseconds since 1970, UTC.'),
});

/** A line of the file events.jsonl: an event, with its time and the id of its run. */
export const stampedEventSchema = v.intersect([stampSchema, eventSchema]);

export type Stage = Recorded<typeof stageSchema>;
export type HarnessEvent = Recorded<typeof eventSchema>;
export type StampedEvent = Recorded<typeof stampedEventSchema>;

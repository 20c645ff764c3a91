import * as v from 'valibot';
import { described, type Recorded } from './schema.ts';
import { verdictSchema } from './verdict.ts';

const replayedTrialSchema = v.object({
  id: described(
    v.string(),
    'The id of the trial. It is `kernel` when one of the runs has no trial: then the verdicts are those of the whole runs.',
  ),
  before: described(verdictSchema, 'The verdict in the recorded run.'),
  after: described(
    v.nullable(verdictSchema),
    'The verdict in the repeated run; null when that run does not have the trial.',
  ),
  repeated: v.boolean(),
});

/** The document that `splat replay --json` prints. */
export const replayedSchema = v.object({
  schema: v.literal('splat-replayed/1'),
  dir: described(v.string(), 'The folder of the repeated run.'),
  repeated: described(v.boolean(), 'True when every trial has its verdict again.'),
  sameKernel: described(
    v.boolean(),
    'False when the repeated run has another kernel than the recorded run.',
  ),
  trials: v.array(replayedTrialSchema),
});

export type ReplayedRun = Recorded<typeof replayedSchema>;
export type ReplayedTrial = Recorded<typeof replayedTrialSchema>;

import * as v from 'valibot';
import { described, type Recorded } from './schema.ts';

/** The result of a check for something that a run needs on this host. */
const checkSchema = v.object({
  name: v.string(),
  state: described(
    v.picklist(['good', 'doubtful', 'bad']),
    '`bad`: no run works. `doubtful`: a run works, but perhaps slower or less confined than it could, or splat cannot tell yet.',
  ),
  text: described(v.string(), 'What the check found, in one line.'),
  next: v.exactOptional(
    described(v.string(), 'What the user can do about it; absent: there is nothing to do.'),
  ),
});

/** The document that `splat doctor --json` prints. */
export const doctorSchema = v.object({
  schema: v.literal('splat-doctor/1'),
  ready: described(v.boolean(), 'True when no check is `bad`: `splat run` can work on this host.'),
  checks: v.array(checkSchema),
});

export type Check = Recorded<typeof checkSchema>;
export type DoctorReport = Recorded<typeof doctorSchema>;

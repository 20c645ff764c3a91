import * as v from 'valibot';
import { described, type Recorded, texts } from './schema.ts';

/** What `splat triage --json` prints about a folder, or about several logs. All text comes from the logs and is untrusted. */

const placeSchema = v.object({
  file: described(
    v.string(),
    'Below the folder; with several names on the command line, below the working directory.',
  ),
  line: described(v.number(), 'From 1.'),
  number: described(v.number(), 'The N for `--explain N` of this file alone.'),
});

const groupSchema = v.object({
  signature: v.string(),
  title: v.string(),
  kind: v.picklist(['splat', 'event']),
  count: v.number(),
  files: texts,
  first: described(placeSchema, 'By the order of the paths.'),
  last: placeSchema,
});

/** The document that `triage --json` prints for a folder, or for several logs. */
export const triageFolderSchema = v.object({
  groups: described(
    v.array(groupSchema),
    'The findings with one signature, the most frequent first.',
  ),
  seeded: described(
    v.array(groupSchema),
    'Splats of the canaries of runs, which seed bugs on purpose; they do not count.',
  ),
  unreadable: described(
    v.array(v.object({ file: v.string(), why: v.string() })),
    'What was not read, or not to its end.',
  ),
  logs: described(v.number(), 'How many logs were read.'),
});

export type TriagedFolder = Recorded<typeof triageFolderSchema>;

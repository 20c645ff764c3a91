import * as v from 'valibot';
import { described, type Recorded, texts } from './schema.ts';

/** A row of `splat list`: a run, a series or a bisection. */
const listedRunSchema = v.object({
  kind: described(
    v.nullable(v.picklist(['run', 'series', 'bisect'])),
    'Null: the folder has only a journal, which does not say whether it is of a series or of a bisection.',
  ),
  dir: described(v.string(), 'The absolute path of the folder.'),
  state: v.picklist(['finished', 'unfinished', 'broken']),
  startedAt: described(v.string(), 'UTC, ISO 8601.'),
  kernel: described(v.nullable(v.string()), 'As it was written on the command line.'),
  release: v.nullable(v.string()),
  series: texts,
  verdict: described(v.nullable(v.string()), 'In words: `clean`, or `inconclusive: blind`.'),
  trials: v.number(),
  patches: described(
    v.nullable(v.number()),
    'How many patches a series has. Null for a run and a bisection.',
  ),
  culprit: described(
    v.nullable(v.string()),
    'The commit that a bisection found. Null when it found no single commit, and for a run and a series.',
  ),
  candidates: described(
    v.nullable(v.number()),
    'How many commits a bisection left as candidates. It is 0 when it found a single commit or has no answer. Null for a run and a series.',
  ),
  message: described(
    v.nullable(v.string()),
    'Why the state of the folder is `broken`. Null for any other state.',
  ),
});

/** The document that `splat list --json` prints. */
export const runListSchema = v.object({
  schema: v.literal('splat-list/1'),
  runs: described(v.array(listedRunSchema), 'The newest first.'),
});

export type ListedRun = Recorded<typeof listedRunSchema>;
export type RunList = Recorded<typeof runListSchema>;

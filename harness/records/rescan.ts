import * as v from 'valibot';
import { described, type Recorded } from './schema.ts';

const nameEntries = { title: v.string(), signature: v.string() };
const line = described(
  v.number(),
  'The line of the console with which the report begins, from 1. For the trial `boot`: of the recorded text of the splat.',
);

const renamedSchema = v.object({
  before: v.object(nameEntries),
  now: v.object(nameEntries),
  line,
});

const placedSchema = v.object({ ...nameEntries, line });

const changedSchema = v.object({
  run: described(v.string(), 'The folder of the run, relative to the working directory if inside.'),
  trial: described(v.string(), 'The id of the trial, or `boot` for the boots of the run.'),
  renamed: v.array(renamedSchema),
  gone: described(
    v.array(placedSchema),
    'Recorded splats that are no splats by the rules of this version.',
  ),
  appeared: described(
    v.array(placedSchema),
    'Splats by the rules of this version that were not recorded.',
  ),
});

/** The document that `splat triage --rescan --json` prints. All titles come from consoles and are untrusted. */
export const rescanSchema = v.object({
  schema: v.literal('splat-rescan/1'),
  signatures: described(
    v.number(),
    'The version number of the rules by which this splat makes signatures.',
  ),
  runs: described(v.number(), 'How many finished runs were found.'),
  consoles: described(v.number(), 'How many consoles were read.'),
  changed: described(v.array(changedSchema), 'The trials with another answer.'),
  history: described(
    v.nullable(v.object({ signatures: v.number(), issues: v.number() })),
    'How many signatures and issues were renamed in the history; null without --history.',
  ),
});

export type Rescan = Recorded<typeof rescanSchema>;

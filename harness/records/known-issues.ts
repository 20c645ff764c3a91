import * as v from 'valibot';
import { described, type Recorded } from './schema.ts';

const text = v.pipe(v.string(), v.regex(/\S/, 'a text, and not empty'));
const glob = described(text, 'A glob: * is any text, ? any character; \\ takes one literally.');
const day = v.pipe(v.string(), v.regex(/^\d{4}-\d{2}-\d{2}$/, 'a day such as 2027-01-31'));

/** The fields of an entry of the file of known issues. */
export const knownIssueEntries = {
  signature: v.exactOptional(glob),
  title: v.exactOptional(glob),
  cell: v.exactOptional(
    described(glob, "Of a cell's id, or of its name as `splat nightly --dry-run` prints it."),
  ),
  reason: described(text, 'Why this is not to wake anyone.'),
  link: v.exactOptional(text),
  owner: v.exactOptional(text),
  expires: described(day, 'The last day it counts, UTC.'),
  maxBlind: v.exactOptional(
    described(
      v.pipe(v.number(), v.minValue(0), v.maxValue(1)),
      'The share of the trials it may apply to that it may leave blind. Default 0.5.',
    ),
  ),
};

/**
 * An entry of the file of known issues: a splat that is expected until a day, and the reason. Each entry has either a signature or
 * a title.
 */
const knownIssueSchema = v.strictObject(knownIssueEntries);

/** A file of known issues, in YAML. */
export const knownFileSchema = v.strictObject({ issues: v.array(knownIssueSchema) });

export type KnownIssue = Recorded<typeof knownIssueSchema>;

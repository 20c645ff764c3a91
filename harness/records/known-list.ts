import * as v from 'valibot';
import { knownIssueEntries } from './known-issues.ts';
import { described, type Recorded } from './schema.ts';

/** The document that `splat known add --json` (`added`, `renewed`) and `splat known check --json` (`issues`) print. */
export const knownListSchema = v.object({
  schema: v.literal('splat-known/1'),
  added: v.exactOptional(
    described(v.object(knownIssueEntries), 'Of `splat known add`: the entry as it is in the file.'),
  ),
  renewed: v.exactOptional(
    described(v.boolean(), 'Of `splat known add`: true when the file had an entry for this splat.'),
  ),
  issues: v.exactOptional(
    described(
      v.array(v.object({ ...knownIssueEntries, expired: v.boolean() })),
      'Of `splat known check`: every entry of the file.',
    ),
  ),
});

export type KnownList = Recorded<typeof knownListSchema>;

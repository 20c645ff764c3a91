import * as v from 'valibot';
import { described, type Recorded } from './schema.ts';
import { sharedKindSchema } from './store.ts';

const entrySchema = v.object({
  kind: sharedKindSchema,
  key: described(v.string(), 'The name of the entry in a cache.'),
  signer: described(v.string(), 'The id of the key that signed the entry.'),
  bytes: described(
    v.number(),
    'The sizes of the blobs of the entry; 0 for a damaged manifest. A blob of several entries counts for each of them.',
  ),
  usedAt: described(v.string(), 'The time of the last use, in UTC, ISO 8601.'),
});

/** The document that `splat store list --json` (with `entries`) and `splat store prune --json` (with `removed`) print. */
export const storeListSchema = v.object({
  schema: v.literal('splat-store-list/1'),
  store: described(v.string(), 'The folder of the store.'),
  entries: v.exactOptional(
    described(v.array(entrySchema), 'Of `splat store list`: least recently used first.'),
  ),
  removed: v.exactOptional(
    described(
      v.array(entrySchema),
      'Of `splat store prune`: what was removed, or with --dry-run what would be.',
    ),
  ),
  blobs: v.exactOptional(
    described(v.number(), 'Of `splat store prune`: how many blobs go with them.'),
  ),
  bytes: v.exactOptional(
    described(v.number(), 'Of `splat store prune`: the total size of these blobs.'),
  ),
});

export type StoreList = Recorded<typeof storeListSchema>;

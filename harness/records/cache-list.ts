import * as v from 'valibot';
import { described, type Recorded } from './schema.ts';
import { storeOriginSchema } from './store.ts';

const itemEntries = {
  kind: described(
    v.string(),
    '`source`, `kernel`, `guest`, `checkpoint`, `tool`, `workspace`, `ccache` or `apt`.',
  ),
  key: described(v.string(), 'The name of the folder `dir`.'),
  dir: v.string(),
  bytes: described(
    v.number(),
    'On the disk. A file that a workspace shares with its source by a hard link counts with the source.',
  ),
  usedAt: described(v.string(), 'The time of the last use, in UTC, ISO 8601.'),
};

const ofKernel = 'Null for an item that is no kernel, and for a kernel of which it is not known.';

const listedItemSchema = v.object({
  ...itemEntries,
  release: described(v.nullable(v.string()), ofKernel),
  source: described(v.nullable(v.string()), ofKernel),
  store: described(
    v.nullable(storeOriginSchema),
    'The shared store that a kernel was fetched from; null: it was not fetched, or is no kernel.',
  ),
});

/** The document that `splat cache list --json` (with `items`) and `splat cache prune --json` (with `removed`) print. */
export const cacheListSchema = v.object({
  schema: v.literal('splat-cache/1'),
  root: described(v.string(), 'The folder of the cache.'),
  items: v.exactOptional(described(v.array(listedItemSchema), 'Of `splat cache list`.')),
  removed: v.exactOptional(
    described(
      v.array(v.object(itemEntries)),
      'Of `splat cache prune`: what was removed, or with --dry-run what would be.',
    ),
  ),
});

export type CacheList = Recorded<typeof cacheListSchema>;

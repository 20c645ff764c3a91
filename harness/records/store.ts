import * as v from 'valibot';
import { described, type Recorded } from './schema.ts';

/** A SHA-256 in hex. */
const digest = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/));
/** The first 16 hex digits of the SHA-256 of a public key. */
const keyId = v.pipe(v.string(), v.regex(/^[0-9a-f]{16}$/));
/** A plain name, without a folder and without a dot at its beginning. */
const plainName = v.pipe(v.string(), v.regex(/^[A-Za-z0-9][A-Za-z0-9._+-]{0,127}$/));

/** The kinds of cache entries that hosts share. Hosts do not share checkpoints, because each host boots its own. */
export const sharedKindSchema = v.picklist(['kernel', 'guest', 'tool', 'source']);

/** A path of names joined by `/`, which cannot lead out of its folder. */
const plainPath = v.pipe(
  v.string(),
  v.maxLength(1024),
  v.regex(/^[A-Za-z0-9_][A-Za-z0-9._+-]*(?:\/[A-Za-z0-9_][A-Za-z0-9._+-]*)*$/),
);

const sharedFileSchema = v.object({
  name: described(plainPath, 'The path of the file below the entry.'),
  bytes: v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(8 * 2 ** 30)),
  sha256: described(digest, 'SHA-256 of the content, and the name of the blob in the store.'),
});

/** The signed text of a manifest: the files of one cache entry. */
export const manifestSchema = v.object({
  kind: sharedKindSchema,
  key: described(plainName, 'The digest of the inputs: the name of the entry in the cache.'),
  splat: described(v.string(), 'The version of splat that made the entry.'),
  meta: described(v.unknown(), 'Facts that the maker of the entry stored with it.'),
  files: v.pipe(v.array(sharedFileSchema), v.minLength(1), v.maxLength(4096)),
});

/** A manifest as it lies in the store. */
export const sealedManifestSchema = v.object({
  schema: v.literal('splat-store/1'),
  signer: described(keyId, 'The id of the key that signed it.'),
  signature: described(
    v.pipe(v.string(), v.maxLength(128)),
    'Ed25519 over `splat-store/1`, a newline and `payload`, in base64.',
  ),
  payload: described(v.string(), 'The manifest as JSON text, exactly as it was signed.'),
});

/** The origin of a kernel that was fetched from a shared store. */
export const storeOriginSchema = v.object({
  place: described(v.string(), 'The folder or the URL of the store.'),
  signer: described(keyId, 'The id of the key that signed its manifest.'),
});

export type SharedKind = Recorded<typeof sharedKindSchema>;
export type StoreManifest = Recorded<typeof manifestSchema>;
export type StoreOrigin = Recorded<typeof storeOriginSchema>;

import type { Readable } from 'node:stream';
import type { EntryName } from './manifest.ts';

/** The digest and the size of a blob. A blob is the content of a file. */
export interface Blob {
  /** The SHA-256 in hex. */
  readonly sha256: string;
  readonly bytes: number;
}

/** The signal that ends a wait for a shared store. */
export interface Waiting {
  readonly signal: AbortSignal;
}

/**
 * Where a shared store lies: a folder, or an HTTP server. A place only moves bytes, unchecked; its callers check digests and
 * signatures. The functions of a place throw a StoreFault when they fail, and `interrupted` when the signal fires.
 */
export interface StorePlace extends AsyncDisposable {
  /** The absolute path of the folder, or the URL. */
  readonly name: string;
  /**
   * Returns the text of the manifest that the key `signer` is said to have signed. The signature is not checked. Returns undefined
   * when no such manifest exists.
   */
  readonly readManifest: (
    entry: EntryName,
    signer: string,
    options: Waiting,
  ) => Promise<string | undefined>;
  /**
   * Returns the ids of the keys that are said to have signed a manifest of the entry. Returns an empty list when the place cannot
   * list the keys.
   */
  readonly signers: (entry: EntryName, options: Waiting) => Promise<readonly string[]>;
  /** Writes or replaces the manifest of the entry that the key `signer` signed. */
  readonly writeManifest: (
    entry: EntryName,
    signer: string,
    text: string,
    options: Waiting,
  ) => Promise<void>;
  /** Returns the bytes of a blob, unverified. Returns undefined when no such blob exists. */
  readonly readBlob: (blob: Blob, options: Waiting) => Promise<Readable | undefined>;
  /**
   * Stores the content of the local file `file` if the store lacks the blob. With `replace`, stores the content in any case,
   * because the stored blob was refused.
   */
  readonly writeBlob: (
    blob: Blob,
    file: string,
    options: Waiting & { readonly replace: boolean },
  ) => Promise<void>;
  /**
   * Keeps `splat store prune` from running until the result is disposed, if this host can take the lock. Over HTTP nothing is
   * locked.
   */
  readonly hold: (options: Waiting) => Promise<AsyncDisposable>;
}

/** Returns the path of a blob, relative to the folder or the URL of the store. */
export function blobPath(sha256: string): string {
  return `blobs/${sha256}`;
}

/**
 * Returns the path of the folder with the manifests of an entry, relative to the folder or the URL of the store. The folder has one
 * file for each key that signed the entry.
 */
export function manifestsPath({ kind, key }: EntryName): string {
  return `manifests/${kind}/${key}`;
}

/** Returns the path of the manifest that the key `signer` signed for an entry. */
export function manifestPath(entry: EntryName, signer: string): string {
  return `${manifestsPath(entry)}/${signer}`;
}

/** What a URL's path names: a blob, a manifest, or the list of an entry's signers. */
export type StorePath =
  | { readonly kind: 'blob'; readonly sha256: string }
  | { readonly kind: 'manifest'; readonly entry: EntryName; readonly signer: string }
  | { readonly kind: 'signers'; readonly entry: EntryName };

/**
 * Reads the path of a request's URL: `/blobs/SHA256`, `/manifests/KIND/KEY` or `/manifests/KIND/KEY/SIGNER`. Returns undefined for
 * every other path, so no request leaves the folders of a store.
 */
export function parseStorePath(path: string): StorePath | undefined {
  const sha256 = /^\/blobs\/([0-9a-f]{64})$/.exec(path)?.[1];
  if (sha256 !== undefined) return { kind: 'blob', sha256 };
  const [, kind, key, signer] =
    /^\/manifests\/(kernel|guest|tool|source)\/([A-Za-z0-9][A-Za-z0-9._+-]{0,127})(?:\/([0-9a-f]{16}))?$/.exec(
      path,
    ) ?? [];
  if (kind === undefined || key === undefined) return undefined;
  const entry = { kind, key } as EntryName;
  return signer === undefined ? { kind: 'signers', entry } : { kind: 'manifest', entry, signer };
}

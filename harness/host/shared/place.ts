import type { Readable } from 'node:stream';
import type { EntryName } from './manifest.ts';

/** The digest and the size of a file's content. */
export interface Blob {
  /** The SHA-256 in hex. */
  readonly sha256: string;
  readonly bytes: number;
}

export interface Waiting {
  readonly signal: AbortSignal;
}

/**
 * Where a shared store lies: a folder, or an HTTP server. A place only moves bytes and checks nothing: its callers check digests
 * and signatures. All functions throw StoreFault, and `interrupted` when the signal fires.
 */
export interface StorePlace extends AsyncDisposable {
  /** The absolute folder or the URL. */
  readonly name: string;
  /** Returns the text of the manifest that the key `signer` signed; undefined when there is no such manifest. */
  readonly readManifest: (
    entry: EntryName,
    signer: string,
    options: Waiting,
  ) => Promise<string | undefined>;
  /** Returns the ids of all keys that have signed a manifest of the entry; empty when the place cannot list them. */
  readonly signers: (entry: EntryName, options: Waiting) => Promise<readonly string[]>;
  /** Writes or replaces the manifest of `signer`. */
  readonly writeManifest: (
    entry: EntryName,
    signer: string,
    text: string,
    options: Waiting,
  ) => Promise<void>;
  /** Returns the bytes of a blob, which are not verified; undefined when there is no such blob. */
  readonly readBlob: (blob: Blob, options: Waiting) => Promise<Readable | undefined>;
  /**
   * Stores the content of a local file if the blob is absent. With `replace`, stores it in any case, because the stored blob was
   * refused.
   */
  readonly writeBlob: (
    blob: Blob,
    file: string,
    options: Waiting & { readonly replace: boolean },
  ) => Promise<void>;
  /** Keeps `splat store prune` from running until disposed, if this host can take the lock. */
  readonly hold: (options: Waiting) => Promise<AsyncDisposable>;
}

/** The path of a blob below the store, which is also its path in URLs. */
export function blobPath(sha256: string): string {
  return `blobs/${sha256}`;
}

/** The folder of an entry's manifests, one file for each signer. */
export function manifestsPath({ kind, key }: EntryName): string {
  return `manifests/${kind}/${key}`;
}

export function manifestPath(entry: EntryName, signer: string): string {
  return `${manifestsPath(entry)}/${signer}`;
}

/** What the path of a URL names. */
export type StorePath =
  | { readonly kind: 'blob'; readonly sha256: string }
  | { readonly kind: 'manifest'; readonly entry: EntryName; readonly signer: string }
  | { readonly kind: 'signers'; readonly entry: EntryName };

/** Reads the path of a URL. Undefined for every other path, so that no request leaves the folders of a store. */
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

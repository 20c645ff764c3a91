import type { Readable } from 'node:stream';
import type { EntryName } from './manifest.ts';

/** The digest and the size of a file's content. */
export interface Blob {
  /** The SHA-256 in hex. */
  readonly sha256: string;
  readonly bytes: number;
}

/** The signal that ends the waiting for a place. */
export interface Waiting {
  readonly signal: AbortSignal;
}

/**
 * Where a shared store lies: a folder, or an HTTP server. A place only moves bytes: what it reads is not checked, and its callers
 * check digests and signatures. A place that fails throws a StoreFault. When the signal fires, its functions throw `interrupted`.
 */
export interface StorePlace extends AsyncDisposable {
  /** The absolute folder or the URL. */
  readonly name: string;
  /**
   * Returns the text of the manifest under the name of the key `signer`; undefined when there is none. The signature is not
   * checked.
   */
  readonly readManifest: (
    entry: EntryName,
    signer: string,
    options: Waiting,
  ) => Promise<string | undefined>;
  /** Returns the ids of all keys under which the place has a manifest of the entry; empty when the place cannot list them. */
  readonly signers: (entry: EntryName, options: Waiting) => Promise<readonly string[]>;
  /** Writes or replaces the manifest of the entry under the name of the key `signer`. */
  readonly writeManifest: (
    entry: EntryName,
    signer: string,
    text: string,
    options: Waiting,
  ) => Promise<void>;
  /** Returns the bytes of a blob, which are not verified; undefined when there is no such blob. */
  readonly readBlob: (blob: Blob, options: Waiting) => Promise<Readable | undefined>;
  /**
   * Stores the content of the local file `file` if the blob is absent. With `replace`, stores it in any case, because the stored
   * blob was refused.
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

/** The path of a blob, below the folder of the store or its URL. */
export function blobPath(sha256: string): string {
  return `blobs/${sha256}`;
}

/**
 * The path of the folder with the manifests of an entry, below the folder of the store or its URL. The folder has one file for
 * each signer.
 */
export function manifestsPath({ kind, key }: EntryName): string {
  return `manifests/${kind}/${key}`;
}

/** The path of the manifest of an entry that the key `signer` signed. */
export function manifestPath(entry: EntryName, signer: string): string {
  return `${manifestsPath(entry)}/${signer}`;
}

/** What the path of a URL names: a blob, a manifest, or the list of the signers of an entry. */
export type StorePath =
  | { readonly kind: 'blob'; readonly sha256: string }
  | { readonly kind: 'manifest'; readonly entry: EntryName; readonly signer: string }
  | { readonly kind: 'signers'; readonly entry: EntryName };

/**
 * Reads the path of a request's URL: `/blobs/SHA256`, `/manifests/KIND/KEY` or `/manifests/KIND/KEY/SIGNER`. Undefined for every
 * other path, so that no request leaves the folders of a store.
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

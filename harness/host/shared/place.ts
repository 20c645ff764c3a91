import type { Readable } from 'node:stream';
import type { EntryName } from './manifest.ts';

/** A file's content by its digest. */
export interface Blob {
  /** In hex. */
  readonly sha256: string;
  readonly bytes: number;
}

export interface Waiting {
  readonly signal: AbortSignal;
}

/**
 * Where a shared store lies: a folder, or an HTTP server. It moves bytes and believes nothing: who reads checks digests and
 * signatures. Everything throws StoreFault, and `interrupted` when the signal fires.
 */
export interface StorePlace extends AsyncDisposable {
  /** The absolute folder or the URL. */
  readonly name: string;
  /** The text of the manifest that the key `signer` signed; undefined when there is none. */
  readonly readManifest: (
    entry: EntryName,
    signer: string,
    options: Waiting,
  ) => Promise<string | undefined>;
  /** The ids of all keys that have signed a manifest of the entry; empty where the place cannot tell. */
  readonly signers: (entry: EntryName, options: Waiting) => Promise<readonly string[]>;
  /** Writes or replaces the manifest of `signer`. */
  readonly writeManifest: (
    entry: EntryName,
    signer: string,
    text: string,
    options: Waiting,
  ) => Promise<void>;
  /** The bytes of a blob, not verified; undefined when there is none. */
  readonly readBlob: (blob: Blob, options: Waiting) => Promise<Readable | undefined>;
  /** Puts the content of a local file when the blob is absent; `replace`: in any case, because what is there was refused. */
  readonly writeBlob: (
    blob: Blob,
    file: string,
    options: Waiting & { readonly replace: boolean },
  ) => Promise<void>;
  /** Keeps `splat store prune` away until disposed, where this host can. */
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

/** What the path of a URL means. */
export type StorePath =
  | { readonly kind: 'blob'; readonly sha256: string }
  | { readonly kind: 'manifest'; readonly entry: EntryName; readonly signer: string }
  | { readonly kind: 'signers'; readonly entry: EntryName };

/** Undefined for every path that is none of these, so that no request leaves the folders of a store. */
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

import { stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { HarnessError } from '../../errors.ts';
import type { StoreManifest } from '../../records/store.ts';
import { explainDiskError, makeFolder } from '../disk.ts';
import { packageVersion } from '../package-root.ts';
import { throwIfAborted } from '../process.ts';
import { type Entry, fileDigest } from '../store.ts';
import type { SigningKey, TrustedKey } from './keys.ts';
import { type EntryName, entryBytes, openManifest, sealManifest } from './manifest.ts';
import type { StorePlace } from './place.ts';
import { receiveBlob } from './receive.ts';
import { StoreFault } from './store-fault.ts';

/** An entry that a shared store has, and that a trusted key signed. */
export interface SharedEntry {
  readonly manifest: StoreManifest;
  readonly signer: string;
  /** The total size of the entry's files, in bytes. */
  readonly bytes: number;
}

/** The store that several hosts share, as this host uses it. */
export interface SharedStore extends AsyncDisposable {
  /** The folder or the URL of the store. */
  readonly name: string;
  /** The id of the key with which this host signs. Undefined when this host only reads the store. */
  readonly signer: string | undefined;
  /**
   * Looks for an entry. Returns undefined when the store does not have the entry, and when the entry was refused before. Throws a
   * StoreFault `refused` when only keys that are not trusted have signed the entry.
   */
  readonly find: (name: EntryName, signal: AbortSignal) => Promise<SharedEntry | undefined>;
  /**
   * Writes the files of an entry into the empty folder `dir` and verifies the digest of each file. `check` returns a text that says
   * what is wrong with the manifest, or undefined when the manifest is right. Throws a StoreFault `refused` when the manifest or a
   * file is wrong.
   */
  readonly fetch: (
    entry: SharedEntry,
    dir: string,
    options: {
      readonly signal: AbortSignal;
      readonly check: (manifest: StoreManifest) => string | undefined;
    },
  ) => Promise<void>;
  /**
   * Puts an entry of the cache into the store and returns `put`. Returns `there`, and puts nothing, when this host's key has
   * signed the entry already, and when this host has no key.
   */
  readonly offer: (entry: OfferedEntry, signal: AbortSignal) => Promise<'put' | 'there'>;
  /**
   * Keeps `splat store prune` from running until the result is disposed. For a host with a key, this also creates the folder of a
   * new store.
   */
  readonly hold: (signal: AbortSignal) => Promise<AsyncDisposable>;
  /**
   * True for five minutes after explain() was called with a failure to reach the store. During this time, the caller does not use
   * the store.
   */
  readonly isAway: () => boolean;
  /**
   * Describes a failure in one line. A StoreFault `refused` is a fault of an entry, and a HarnessError is a fault of this host.
   * After any other failure, the store counts as unreachable for the next five minutes.
   */
  readonly explain: (error: unknown) => string;
}

/** A cache entry to put into the store, and the paths of the files that hosts share. The entry can have more files. */
export interface OfferedEntry {
  readonly entry: Pick<Entry, 'key' | 'meta'> & { readonly kind: EntryName['kind'] };
  readonly files: readonly string[];
  /** Returns the folder in which the shared files are. Called only when the entry must be put into the store. */
  readonly pack: () => Promise<string>;
}

/** The time after which an unreachable store is used again. So a single restart of the store does not cost a night the store. */
const awayMs = 5 * 60_000;

/**
 * Opens a shared store. The result accepts only manifests that one of the `trusted` keys or the `signing` key of this host
 * signed.
 */
export function openSharedStore(
  place: StorePlace,
  keys: { readonly signing?: SigningKey; readonly trusted: readonly TrustedKey[] },
): SharedStore {
  const { signing } = keys;
  const trusted = uniqueKeys(signing === undefined ? keys.trusted : [signing, ...keys.trusted]);
  /**
   * The entries whose manifest or bytes were refused. When this host makes one of these entries, it replaces the bytes in the
   * store.
   */
  const refused = new Set<string>();
  const offered = new Set<string>();
  let awayUntilMs = 0;
  return {
    name: place.name,
    signer: signing?.id,
    find: async (name, signal) => {
      // An entry that was refused once stays refused for the whole run, so that its failure is reported only once.
      if (refused.has(idOf(name))) return undefined;
      try {
        return await findSigned(place, name, trusted, signal);
      } catch (error) {
        if (isRefused(error)) refused.add(idOf(name));
        throw error;
      }
    },
    fetch: async (entry, dir, { signal, check }) => {
      try {
        requireRight(entry.manifest, check);
        await fetchFiles(place, entry, dir, signal);
      } catch (error) {
        if (isRefused(error)) refused.add(idOf(entry.manifest));
        throw error;
      }
    },
    offer: async (asked, signal) => {
      const id = idOf(asked.entry);
      if (signing === undefined || offered.has(id)) return 'there';
      const replace = refused.has(id);
      // A manifest that was refused is not read again, but replaced.
      const isThere =
        !replace && (await place.readManifest(asked.entry, signing.id, { signal })) !== undefined;
      if (!isThere) await putFiles(place, asked, signing, { signal, replace });
      offered.add(id);
      refused.delete(id);
      return isThere ? 'there' : 'put';
    },
    hold: async (signal) => {
      if (signing !== undefined) await makeFolderOf(place);
      return place.hold({ signal });
    },
    isAway: () => performance.now() < awayUntilMs,
    explain: (error) => {
      const message = error instanceof Error ? error.message : String(error);
      if (isRefused(error)) {
        return `store ${place.name}: ${message}; refused`;
      }
      if (error instanceof HarnessError) return `store ${place.name} was not used: ${message}`;
      awayUntilMs = performance.now() + awayMs;
      return `store ${place.name}: ${message}; going on without it for ${awayMs / 60_000} minutes`;
    },
    [Symbol.asyncDispose]: async () => place[Symbol.asyncDispose](),
  };
}

function isRefused(error: unknown): boolean {
  return error instanceof StoreFault && error.kind === 'refused';
}

function idOf({ kind, key }: EntryName): string {
  return `${kind} ${key}`;
}

/** Creates the folder of a store, because a host with a key may begin a new store. */
async function makeFolderOf(place: StorePlace): Promise<void> {
  if (place.name.startsWith('/')) await makeFolder(place.name);
}

function uniqueKeys(keys: readonly TrustedKey[]): readonly TrustedKey[] {
  return [...new Map(keys.map((key) => [key.id, key])).values()];
}

async function findSigned(
  place: StorePlace,
  name: EntryName,
  trusted: readonly TrustedKey[],
  signal: AbortSignal,
): Promise<SharedEntry | undefined> {
  for (const key of trusted) {
    const text = await place.readManifest(name, key.id, { signal });
    if (text === undefined) continue;
    const { manifest, signer } = openManifest(text, name, [key]);
    return { manifest, signer, bytes: entryBytes(manifest) };
  }
  const others = await place.signers(name, { signal });
  const strange = others.find((id) => trusted.every((key) => key.id !== id));
  if (strange === undefined) return undefined;
  const text = `manifest of ${name.kind} ${name.key}: signed by ${strange}, a key that is not trusted`;
  throw new StoreFault('refused', text);
}

function requireRight(
  manifest: StoreManifest,
  check: (manifest: StoreManifest) => string | undefined,
): void {
  const wrong = check(manifest);
  if (wrong === undefined) return;
  throw new StoreFault('refused', `manifest of ${manifest.kind} ${manifest.key}: ${wrong}`);
}

async function fetchFiles(
  place: StorePlace,
  { manifest }: SharedEntry,
  dir: string,
  signal: AbortSignal,
): Promise<void> {
  for (const { name, sha256, bytes } of manifest.files) {
    const stream = await place.readBlob({ sha256, bytes }, { signal });
    if (stream === undefined) {
      const what = `blob ${sha256.slice(0, 16)} of ${manifest.kind} ${manifest.key}`;
      throw new StoreFault('refused', `${what}: it is not there`);
    }
    try {
      await makeFolder(dirname(join(dir, name)));
      await receiveBlob(stream, join(dir, name), { sha256, bytes }, { signal });
    } catch (error) {
      throw named(isRead(error) ? error : explainDiskError(error, join(dir, name)), manifest);
    }
  }
}

/**
 * True for a failed read(2). During a fetch, only the store is read and only this host's disk is written, so a failed read is a
 * fault of the store.
 */
function isRead(error: unknown): boolean {
  return error instanceof Error && 'syscall' in error && error.syscall === 'read';
}

/** Adds the name of the entry to a fault of the store, such as a stream that breaks. */
function named(error: unknown, { kind, key }: EntryName): unknown {
  if (error instanceof StoreFault) {
    return new StoreFault(error.kind, `${kind} ${key}: ${error.message}`, { cause: error });
  }
  if (error instanceof HarnessError || !(error instanceof Error)) return error;
  return new StoreFault('unreachable', `${kind} ${key}: ${error.message}`, { cause: error });
}

/** Stores the blobs of an entry and then its manifest, so that a manifest never names a missing blob. */
async function putFiles(
  place: StorePlace,
  { entry, files, pack }: OfferedEntry,
  signing: SigningKey,
  options: { readonly signal: AbortSignal; readonly replace: boolean },
): Promise<void> {
  const described: StoreManifest['files'][number][] = [];
  const dir = await pack();
  for (const name of files) {
    throwIfAborted(options.signal);
    const path = join(dir, name);
    const blob = { sha256: await fileDigest(path), bytes: (await stat(path)).size };
    await place.writeBlob(blob, path, options);
    described.push({ name, ...blob });
  }
  const { kind, key } = entry;
  // The manifest does not say from where this host fetched the entry.
  const { store: _store, ...meta } = entry.meta as { readonly store?: unknown };
  const manifest = { kind, key, splat: packageVersion(), meta, files: described };
  const text = sealManifest(manifest, signing);
  await place.writeManifest({ kind, key }, signing.id, text, options);
}

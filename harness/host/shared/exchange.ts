import { resolve } from 'node:path';
import type { SharedKind, StoreManifest, StoreOrigin } from '../../records/store.ts';
import { throwIfAborted } from '../process.ts';
import { type Entry, ensureEntry, findEntry } from '../store.ts';
import type { SharedEntry, SharedStore } from './shared-store.ts';
import { StoreFault } from './store-fault.ts';

/** The shared store behind each cache, by the root of the cache. A process has one cache; tests have several. */
const mounted = new Map<string, SharedStore>();

/** Puts a shared store behind a cache, as a file system is mounted, until disposed. */
export function mountStore(cacheRoot: string, store: SharedStore): AsyncDisposable {
  const root = resolve(cacheRoot);
  mounted.set(root, store);
  return {
    async [Symbol.asyncDispose]() {
      mounted.delete(root);
      await store[Symbol.asyncDispose]();
    },
  };
}

export interface ExchangeOptions {
  readonly cacheRoot: string;
  readonly signal: AbortSignal;
  /** Called with one line for each failure of the store. */
  readonly onFault: (line: string) => void;
}

/** A cache entry under the name by which hosts share it. */
export interface SharedName {
  readonly kind: SharedKind;
  readonly key: string;
  /** Returns the paths of the shared files, below the folder of the entry. `meta` are the entry's facts. */
  readonly filesOf: (meta: unknown) => readonly string[];
  /**
   * Returns what is wrong with the facts in a manifest whose signature is valid; undefined when nothing is. Default: nothing is
   * checked.
   */
  readonly check?: (manifest: StoreManifest) => string | undefined;
  /** Makes the files that are not shared, in the folder of an entry that was fetched. */
  readonly finish?: (dir: string) => Promise<void>;
  /** False for an entry of many thousand files, whose content has no digests. Default true. */
  readonly digests?: boolean;
}

/** An entry that the shared store has and that can be fetched. */
export interface Offer {
  readonly origin: StoreOrigin;
  readonly bytes: number;
  /** Fetches the entry into the cache; undefined when the store fails meanwhile. */
  readonly fetch: () => Promise<Entry | undefined>;
}

/** The origin of a cache entry; undefined for an entry that this host made. */
export function originOf({ meta }: Pick<Entry, 'meta'>): StoreOrigin | undefined {
  return (meta as { readonly store?: StoreOrigin }).store;
}

/**
 * Looks for an entry in the store behind the cache. Undefined when there is no store, when the store does not have the entry, or
 * when it fails; the caller then makes the entry itself. Throws nothing but `interrupted`.
 */
export async function findOffer(
  name: SharedName,
  options: ExchangeOptions,
): Promise<Offer | undefined> {
  const store = mounted.get(resolve(options.cacheRoot));
  if (store === undefined || store.isAway()) return undefined;
  const { kind, key } = name;
  return tolerant(store, options, async () => {
    await using _held = await store.hold(options.signal);
    const found = await store.find({ kind, key }, options.signal);
    if (found === undefined) return undefined;
    return {
      origin: { place: store.name, signer: found.signer },
      bytes: found.bytes,
      fetch: async () =>
        tolerant(store, options, async () => fetchEntry(store, found, name, options)),
    };
  });
}

async function fetchEntry(
  store: SharedStore,
  found: SharedEntry,
  { kind, key, filesOf, check, finish, digests = true }: SharedName,
  { cacheRoot, signal }: ExchangeOptions,
): Promise<Entry> {
  const wrongFiles = (manifest: StoreManifest): string | undefined => {
    const names = manifest.files.map(({ name }) => name).toSorted();
    const isRight = names.join('\n') === filesOf(manifest.meta).toSorted().join('\n');
    return isRight ? undefined : 'its files are not those of such an entry';
  };
  const finishEntry = async (dir: string): Promise<void> => {
    try {
      await finish?.(dir);
    } catch (error) {
      throwIfAborted(signal);
      const reason = error instanceof Error ? error.message : String(error);
      throw new StoreFault('refused', `${kind} ${key}: ${reason}`, { cause: error });
    }
  };
  await using _held = await store.hold(signal);
  return await ensureEntry(cacheRoot, {
    kind,
    key,
    signal,
    digests,
    make: async (dir) => {
      await store.fetch(found, dir, {
        signal,
        check: (manifest) => wrongFiles(manifest) ?? check?.(manifest),
      });
      await finishEntry(dir);
      const { meta } = found.manifest;
      return { ...(meta as object), store: { place: store.name, signer: found.signer } };
    },
  });
}

/** True when a store is behind this cache. */
export function hasStore(cacheRoot: string): boolean {
  return mounted.has(resolve(cacheRoot));
}

/** True when entries of this cache can be put into a store now. */
export function isOffering(cacheRoot: string): boolean {
  const store = mounted.get(resolve(cacheRoot));
  return store?.signer !== undefined && !store.isAway();
}

/**
 * Puts a cache entry into the store behind the cache, if this host has a key and has not signed the entry before. Returns true when
 * the store did not have it. A failure is reported as one line to `onFault`.
 */
export async function offerEntry(
  entry: Pick<Entry, 'key' | 'dir' | 'meta'> & {
    /**
     * Called when the store does not have the entry: makes its files in another folder and returns that folder. Default: the files
     * in `dir`.
     */
    readonly pack?: () => Promise<string>;
  },
  { kind, filesOf }: Pick<SharedName, 'kind' | 'filesOf'>,
  options: ExchangeOptions,
): Promise<boolean> {
  const store = mounted.get(resolve(options.cacheRoot));
  if (store?.signer === undefined || store.isAway()) return false;
  if (originOf(entry)?.place === store.name) return false;
  const { key, dir, meta, pack = async () => dir } = entry;
  const done = await tolerant(store, options, async () => {
    await using _held = await store.hold(options.signal);
    const offered = { entry: { kind, key, meta }, files: filesOf(meta), pack };
    return await store.offer(offered, options.signal);
  });
  return done === 'put';
}

/**
 * Returns the entry from the cache, else from the store behind it, else makes the entry. An entry that was made is then offered to
 * the store.
 */
export async function ensureShared(
  name: SharedName,
  make: (dir: string) => Promise<unknown>,
  options: ExchangeOptions,
): Promise<Entry> {
  const recalled = await recallShared(name, options);
  if (recalled !== undefined) return recalled;
  const { kind, key } = name;
  const { cacheRoot, signal } = options;
  const made = await ensureEntry(cacheRoot, { kind, key, signal, make });
  await offerEntry(made, name, options);
  return made;
}

/** Returns the entry from the cache, and offers it to the store; else returns it from the store; undefined when neither has it. */
export async function recallShared(
  name: SharedName,
  options: ExchangeOptions,
): Promise<Entry | undefined> {
  const { entry } = await findEntry(options.cacheRoot, name.kind, name.key);
  if (entry === undefined) return (await findOffer(name, options))?.fetch();
  await offerEntry(entry, name, options);
  return entry;
}

async function tolerant<T>(
  store: SharedStore,
  { signal, onFault }: ExchangeOptions,
  work: () => Promise<T>,
): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    throwIfAborted(signal);
    onFault(store.explain(error));
    return undefined;
  }
}

import { resolve } from 'node:path';
import type { SharedKind, StoreManifest, StoreOrigin } from '../../records/store.ts';
import { throwIfAborted } from '../process.ts';
import { type Entry, ensureEntry, findEntry } from '../store.ts';
import type { SharedEntry, SharedStore } from './shared-store.ts';
import { StoreFault } from './store-fault.ts';

/**
 * The shared store behind each cache. The key is the root folder of the cache. A process of splat has one cache; a test
 * has several.
 */
const mounted = new Map<string, SharedStore>();

/**
 * Puts a shared store behind a cache, as a file system is mounted. When the result is disposed, the store is closed, and the cache
 * has no store any more.
 */
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
  /** Called with a line for each failure of the shared store. */
  readonly onFault: (line: string) => void;
}

/** How hosts share a cache entry: its name in the shared store (kind and key), and the files that are shared. */
export interface SharedName {
  readonly kind: SharedKind;
  readonly key: string;
  /**
   * Returns the paths of those files of the entry that hosts share. The paths are below the folder of the entry. `meta` is the
   * meta of the entry.
   */
  readonly filesOf: (meta: unknown) => readonly string[];
  /**
   * Returns a text that says what is wrong with a manifest whose signature is valid, or undefined when the manifest is right.
   * Default: no such check.
   */
  readonly check?: (manifest: StoreManifest) => string | undefined;
  /** Makes the files that hosts do not share, in the folder of an entry that was just fetched. Default: all files are shared. */
  readonly finish?: (dir: string) => Promise<void>;
  /** False for an entry with many thousand files: in the cache these files get no digests and are never checked. Default true. */
  readonly digests?: boolean;
}

/** An entry that the shared store has and that this host can fetch. */
export interface Offer {
  readonly origin: StoreOrigin;
  /** The total size of the entry's shared files, in bytes. */
  readonly bytes: number;
  /**
   * Fetches the entry into the cache, checks its files and returns the entry. Returns undefined when the fetch fails, after
   * `onFault` was called with the reason.
   */
  readonly fetch: () => Promise<Entry | undefined>;
}

/** Returns the shared store from which a cache entry was fetched, or undefined for an entry that this host made. */
export function originOf({ meta }: Pick<Entry, 'meta'>): StoreOrigin | undefined {
  return (meta as { readonly store?: StoreOrigin }).store;
}

/**
 * Looks for an entry in the shared store behind the cache. Returns undefined when the cache has no store, when the store does not
 * have the entry, when the store fails, and for five minutes after the store could not be reached; the caller then makes the entry
 * itself. Throws only `interrupted`.
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
    return isRight ? undefined : 'its files are not those that an entry of this kind has';
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

/** True when a shared store is behind this cache, even if the store does not answer. */
export function hasStore(cacheRoot: string): boolean {
  return mounted.has(resolve(cacheRoot));
}

/**
 * True when this host may put entries of this cache into a shared store now: the host has a key, and no attempt to reach the store
 * has failed in the last five minutes.
 */
export function isOffering(cacheRoot: string): boolean {
  const store = mounted.get(resolve(cacheRoot));
  return store?.signer !== undefined && !store.isAway();
}

/**
 * Puts a cache entry into the shared store behind the cache and returns true. Returns false, and puts nothing, when there is no
 * store, when this host has no key or has signed the entry before, when the entry came from this store, or when the store fails.
 * `onFault` gets one line about such a failure.
 */
export async function offerEntry(
  entry: Pick<Entry, 'key' | 'dir' | 'meta'> & {
    /**
     * Called when the entry must be put into the store. Makes the shared files in another folder and returns that folder. Default:
     * the files are in `dir`.
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
 * Returns the entry from the cache, or else from the shared store behind the cache. When neither has the entry, makes it. An
 * entry that was in the cache or was made is also offered to the store.
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

/**
 * Returns the entry from the cache, and offers the entry to the shared store. When the cache does not have the entry, returns it
 * from the store. Returns undefined when neither the cache nor the store has the entry.
 */
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

import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { HarnessError, isHarnessError } from '../errors.ts';
import type { Emit } from '../events.ts';
import { type Apt, openApt } from '../host/apt.ts';
import type { Archive } from '../host/apt-archive.ts';
import { isVersion, type PackageVersion } from '../host/apt-packages.ts';
import { type DebianKernels, knownKernels, unpackKernel } from '../host/debian.ts';
import { readIfThere } from '../host/disk.ts';
import { hasStore } from '../host/shared/exchange.ts';
import { type Entry, findEntry } from '../host/store.ts';
import type { Origin } from './origin.ts';

/** The kernel that `--kernel debian:...` names: `newest`, a series such as `6.1`, or a single version such as `6.1.192-3`. */
type DebianSpec =
  | { readonly kind: 'newest' }
  | { readonly kind: 'series'; readonly series: string }
  | {
      readonly kind: 'version';
      readonly series: string;
      readonly version: string;
      /** SHA-256 of the package, in hex. Absent: any package that Debian signed. */
      readonly sha256: string | undefined;
    };

type Version = Extract<DebianSpec, { kind: 'version' }>;

const forms = 'debian:6.1, debian:newest or one version, such as debian:6.1.192-3[@sha256:HEX]';

/**
 * Reads a value of `--kernel` that begins with `debian:`. Throws `usage` when the rest is not `6.1`, `newest` or a version such
 * as `6.1.192-3[@sha256:HEX]`.
 */
function parseDebianSpec(spec: string): DebianSpec {
  const name = spec.slice('debian:'.length);
  if (name === 'newest') return { kind: 'newest' };
  if (/^\d+\.\d+$/.test(name)) return { kind: 'series', series: name };
  const [version = '', digest, ...rest] = name.split('@');
  const series = /^(\d+\.\d+)(?:[.~+].*)?-[^-]+$/.exec(version)?.[1];
  const sha256 = digest === undefined ? undefined : /^sha256:([0-9a-f]{64})$/.exec(digest)?.[1];
  const damaged = rest.length > 0 || (digest !== undefined && sha256 === undefined);
  if (series === undefined || !isVersion(version) || damaged) {
    throw new HarnessError(
      'usage',
      `kernel ${spec}: not a version of Debian's kernels; valid are ${forms}`,
    );
  }
  return { kind: 'version', series, version, sha256 };
}

interface DebianOptions {
  readonly cacheRoot: string;
  readonly signal: AbortSignal;
  readonly emit: Emit;
  readonly archive?: Archive;
}

const hourMs = 60 * 60_000;

/** The package in the lists of Debian that fits the request. */
interface Found extends PackageVersion {
  readonly series: string;
}

/**
 * Finds the origin of the tree for a `debian:` kernel, and returns the result of `store` for that origin. A version such as
 * debian:6.1.192-3 that is in the cache needs no network. When Debian cannot be reached, debian:6.1 is the newest 6.1 in the cache,
 * and a note says so. A version that Debian cannot provide may come from the shared store. Throws `usage`, with the valid kernels,
 * for a kernel that no suite has. Throws `tool` when Debian cannot be reached.
 */
export async function openDebian<T>(
  spec: string,
  options: DebianOptions,
  store: (origin: Origin) => Promise<T>,
): Promise<T> {
  const wanted = parseDebianSpec(spec);
  const { cacheRoot, emit } = options;
  const own = await recallVersion(cacheRoot, wanted);
  if (own?.isCached === true) return store(cachedOnly(own.key, spec));
  const keyed = { ...options, key: own?.key };
  try {
    const { origin, refreshed } = await findOrigin(spec, wanted, keyed);
    try {
      return await store(origin);
    } catch (error) {
      if (!isHarnessError(error, 'tool') || refreshed) throw error;
    }
    // A mirror deletes packages that newer versions replaced, so an older list may name a deleted file.
    return await store((await findOrigin(spec, wanted, keyed, 0)).origin);
  } catch (error) {
    const series = wanted.kind === 'series' ? wanted.series : undefined;
    // Debian has deleted the replaced package, but the shared store may still have it.
    if (own !== undefined && hasStore(cacheRoot)) return store(sharedOnly(own, spec, error));
    const cached = series === undefined ? undefined : await newestCached(cacheRoot, series);
    if (!isHarnessError(error, 'tool') || cached === undefined) throw error;
    emit({ kind: 'note', text: `${spec}: ${error.message}; using ${cached} of the cache` });
    return store(cachedOnly(cached, spec));
  }
}

/**
 * Returns the name of the version that a `debian:` kernel stands for now, with the digest of its package:
 * `debian:6.1.192-3@sha256:HEX`. Every host that opens this name gets the same files. A name with a digest is returned unchanged.
 * Throws `usage` for a kernel that no suite has, and `tool` when Debian cannot be reached, even if the cache has the kernel.
 */
export async function pinDebian(spec: string, options: DebianOptions): Promise<string> {
  const wanted = parseDebianSpec(spec);
  if (wanted.kind === 'version' && wanted.sha256 !== undefined) return spec;
  const { found } = await findOrigin(spec, wanted, options);
  return `debian:${found.version}@sha256:${found.sha256}`;
}

/**
 * Finds the package of a `debian:` kernel in Debian's lists. `key` is the key of the kernel's tree in the cache; when absent, the
 * key is made from the version. `refreshed` is true when the lists were updated.
 */
async function findOrigin(
  spec: string,
  wanted: DebianSpec,
  options: DebianOptions & { readonly key?: string | undefined },
  maxAgeMs?: number,
): Promise<{ readonly origin: Origin; readonly found: Found; readonly refreshed: boolean }> {
  const { signal } = options;
  const first = await readLists(options, maxAgeMs);
  const found = choose(wanted, await knownKernels(first.apt, signal));
  if (found !== undefined) {
    requireDigest(spec, wanted, found);
    const { key = debianKey(found.series, found.version) } = options;
    const origin = aptOrigin(spec, { apt: first.apt, found, key }, signal);
    return { origin, found, refreshed: first.refreshed };
  }
  // The requested kernel may be newer than the lists.
  if (!first.refreshed && maxAgeMs === undefined) return findOrigin(spec, wanted, options, hourMs);
  const missing = describeMissing(wanted, await knownKernels(first.apt, signal), first.apt);
  throw new HarnessError('usage', `kernel ${spec}: ${missing}`);
}

function requireDigest(spec: string, wanted: DebianSpec, found: Found): void {
  if (wanted.kind !== 'version' || (wanted.sha256 ?? found.sha256) === found.sha256) return;
  const message = `kernel ${spec}: wrong SHA-256; the signed lists of Debian give this version the SHA-256 ${found.sha256}`;
  throw new HarnessError('usage', message);
}

async function readLists(
  { emit, ...options }: DebianOptions,
  maxAgeMs?: number,
): Promise<{ readonly apt: Apt; readonly refreshed: boolean }> {
  let refreshed = false;
  const apt = await openApt({
    ...options,
    ...(maxAgeMs === undefined ? {} : { maxAgeMs }),
    onRefresh: (mirror) => {
      refreshed = true;
      emit({ kind: 'note', text: `asking ${mirror} for its kernels` });
    },
  });
  if (refreshed && apt.unreadable.length > 0) {
    emit({ kind: 'note', text: `suites of Debian that were not read: ${shorten(apt.unreadable)}` });
  }
  return { apt, refreshed };
}

/**
 * Chooses the package for a `debian:` kernel. Returns undefined when Debian's lists have no such package. `newest` means the
 * highest X.Y with a release; an X.Y with only release candidates must be named. For an X.Y, the newest version is chosen.
 */
function choose(wanted: DebianSpec, kernels: readonly DebianKernels[]): Found | undefined {
  const released = kernels.filter(({ versions }) =>
    versions.some(({ version }) => !version.includes('~rc')),
  );
  const of =
    wanted.kind === 'newest'
      ? released.at(-1)
      : kernels.find(({ series }) => series === wanted.series);
  const version =
    wanted.kind === 'version'
      ? of?.versions.find((one) => one.version === wanted.version)
      : of?.versions[0];
  if (of === undefined || version === undefined) return undefined;
  return { series: of.series, ...version };
}

function describeMissing(wanted: DebianSpec, kernels: readonly DebianKernels[], apt: Apt): string {
  const of = kernels.find((one) => wanted.kind !== 'newest' && one.series === wanted.series);
  const there =
    of === undefined
      ? kernels.map(({ series }) => `debian:${series}`)
      : of.versions.map(({ version }) => version);
  const unread = apt.unreadable.length === 0 ? '' : ` (not read: ${shorten(apt.unreadable)})`;
  return `no suite of Debian has it; there is ${there.join(', ')}${unread}`;
}

/** Shortens a list of reasons to the first reason and the number of the others. Usually the network is the reason of all. */
function shorten([first = '', ...more]: readonly string[]): string {
  return more.length === 0 ? first : `${first}, and ${more.length} more`;
}

function aptOrigin(
  spec: string,
  { apt, found, key }: { readonly apt: Apt; readonly found: Found; readonly key: string },
  signal: AbortSignal,
): Origin {
  return {
    spec,
    key,
    name: `${spec} (${found.version})`,
    series: found.series,
    facts: { sha256: found.sha256 },
    fill: (tree) => unpackKernel(apt, found, tree, signal),
  };
}

/** Describes a tree that the cache already has under this key. The tree's name begins with `spec`, as this request wrote it. */
function cachedOnly(key: string, spec: string): Origin {
  return {
    spec,
    key,
    name: `${spec} (${key.slice(key.indexOf('_') + 1)})`,
    series: key.slice('linux-source-'.length, key.indexOf('_')),
    fill: () => {
      throw new HarnessError(
        'infra',
        `the kernel source ${key} was removed from the cache while splat used it`,
      );
    },
  };
}

/**
 * Describes a tree that only a shared store may have. When the store lacks the tree, `fill` throws `error`, the reason why Debian
 * could not provide the tree.
 */
function sharedOnly(
  { series, version, sha256, key }: RecalledVersion,
  spec: string,
  error: unknown,
): Origin {
  const fill = async (): Promise<never> => Promise.reject(error);
  const origin = { spec, key, name: `${spec} (${version})`, fill };
  // A stored kernel does not record the digest of its source package. So when the request has a digest, no stored kernel is looked
  // up by version: the tree itself is needed.
  return sha256 === undefined ? { ...origin, series } : { ...origin, facts: { sha256 } };
}

/** Returns the cache key for the tree of a Debian kernel: `linux-source-7.3_7.3.4-1_bpo13_1` for version 7.3.4-1~bpo13+1. */
function debianKey(series: string, version: string): string {
  return `linux-source-${series}_${version.replaceAll(/[^A-Za-z0-9.-]/g, '_')}`;
}

/**
 * A version of a Debian kernel, with the key of its tree in the cache. `isCached` is true when the cache has this tree. If the
 * request has a digest, only a tree from the package with this digest counts.
 */
interface RecalledVersion extends Version {
  readonly key: string;
  readonly isCached: boolean;
}

/**
 * Looks for a single version of a Debian kernel in the cache. Returns undefined when the request names no single version. When the
 * cached tree comes from a package with another digest, the requested tree gets its own key. A tree without a digest, from an early
 * version of splat, keeps its key, but does not count as cached when a digest was requested.
 */
async function recallVersion(
  cacheRoot: string,
  wanted: DebianSpec,
): Promise<RecalledVersion | undefined> {
  if (wanted.kind !== 'version') return undefined;
  const { series, version, sha256 } = wanted;
  const plain = debianKey(series, version);
  const { entry } = await findEntry(cacheRoot, 'source', plain);
  if (sha256 === undefined) return { ...wanted, key: plain, isCached: entry !== undefined };
  const cached = digestOf(entry);
  if (cached === undefined || cached === sha256)
    return { ...wanted, key: plain, isCached: cached === sha256 };
  const key = `${plain}_${sha256.slice(0, 16)}`;
  const { entry: own } = await findEntry(cacheRoot, 'source', key);
  return { ...wanted, key, isCached: digestOf(own) === sha256 };
}

function digestOf(entry: Entry | undefined): string | undefined {
  return (entry?.meta as { readonly sha256?: string } | undefined)?.sha256;
}

/**
 * Returns the key of the newest tree in the cache for an X.Y such as `6.1`, or undefined when the cache has no such tree. A key
 * that ends with a digest is left out: this digest was requested while the cache had the version from another package.
 */
async function newestCached(cacheRoot: string, series: string): Promise<string | undefined> {
  const keys = (await readIfThere(readdir(join(cacheRoot, 'source')))) ?? [];
  return keys
    .filter((key) => key.startsWith(`linux-source-${series}_`) && !/_[0-9a-f]{16}$/.test(key))
    .toSorted((a, b) => a.localeCompare(b, 'en', { numeric: true }))
    .at(-1);
}

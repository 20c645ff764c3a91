import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Emit, inStage } from '../events.ts';
import { extractTarball } from '../host/archive.ts';
import { cacheFolder } from '../host/cache-folders.ts';
import { makeFolder } from '../host/disk.ts';
import { runTool } from '../host/process.ts';
import { findOffer, isOffering, offerEntry, type SharedName } from '../host/shared/exchange.ts';
import { type Entry, findEntry } from '../host/store.ts';
import type { Origin } from './origin.ts';

interface SourceExchange {
  readonly cacheRoot: string;
  readonly signal: AbortSignal;
  readonly emit: Emit;
}

const packedName = 'source.tar.xz';
const mib = 2 ** 20;

/**
 * Fetches the tree of a Debian kernel from the shared store, which may have versions that Debian has replaced. The tree is unpacked
 * into a folder of the cache, and `finish` completes this folder. Returns undefined for a kernel that is not from Debian, and when
 * the store does not have the tree or fails.
 */
export async function fetchSource(
  origin: Origin,
  { cacheRoot, signal, emit }: SourceExchange,
  finish: (dir: string) => Promise<unknown>,
): Promise<Entry | undefined> {
  if (!isShared(origin.key)) return undefined;
  const onFault = (text: string): void => emit({ kind: 'note', text });
  const name: SharedName = {
    ...nameOf(origin.key),
    digests: false,
    check: ({ meta }) => wrongPackage(meta, origin),
    finish: async (dir) => {
      const packed = join(dir, packedName);
      await extractTarball(packed, join(dir, 'tree'), signal);
      await rm(packed);
      await finish(dir);
    },
  };
  const offer = await findOffer(name, { cacheRoot, signal, onFault });
  if (offer === undefined) return undefined;
  const { place, signer } = offer.origin;
  const from = `${origin.name}: from the store ${place}, signed by ${signer}`;
  return inStage(
    emit,
    'source',
    `${origin.name} from the store ${place}`,
    offer.fetch,
    (fetched) =>
      fetched === undefined ? origin.name : `${from}, ${Math.round(offer.bytes / mib)} MiB`,
  );
}

/**
 * Packs the tree of a Debian kernel and puts it into the shared store. Nothing happens for a kernel that is not from Debian, and
 * when this host has no key to sign with or has put the tree there before.
 */
export async function offerSource(
  { id, name }: { readonly id: string; readonly name: string },
  { cacheRoot, signal, emit }: SourceExchange,
): Promise<void> {
  if (!isShared(id) || !isOffering(cacheRoot)) return;
  const { entry } = await findEntry(cacheRoot, 'source', id);
  // Trees that earlier versions of splat stored do not record the digest of their package.
  if (entry === undefined || digestIn(entry.meta) === undefined) return;
  const drafts = cacheFolder(cacheRoot, 'drafts');
  await makeFolder(drafts);
  const scratch = await mkdtemp(join(drafts, 'pack-'));
  const pack = async (): Promise<string> =>
    inStage(
      emit,
      'source',
      `packing ${name} for the store`,
      async () => packTree(entry.dir, scratch, signal),
      () => `${name}: packed for the store`,
    );
  const onFault = (text: string): void => emit({ kind: 'note', text });
  try {
    await offerEntry({ ...entry, pack }, nameOf(id), { cacheRoot, signal, onFault });
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/**
 * True for the key of a Debian package's tree. Directories, commits and tarballs are not shared: each host reads them from the path
 * that the user gave.
 */
function isShared(key: string): boolean {
  return key.startsWith('linux-source-');
}

function nameOf(key: string): SharedName {
  return { kind: 'source', key, filesOf: () => [packedName] };
}

function digestIn(meta: unknown): string | undefined {
  return (meta as { readonly sha256?: string }).sha256;
}

/**
 * Returns a text that says what is wrong with a kernel tree from the shared store, or undefined. The tree's package must have the
 * SHA-256 in `facts`, which comes from the request or from Debian's lists. Without a SHA-256 in `facts`, every package is right.
 */
function wrongPackage(meta: unknown, { facts }: Origin): string | undefined {
  const wanted = facts?.['sha256'];
  if (wanted === undefined || digestIn(meta) === wanted) return undefined;
  return `it is of a package with another digest than ${wanted}`;
}

/**
 * Packs the folder `DIR/tree` into a tarball in `scratch`, and returns `scratch`. The same tree gives the same tarball before
 * compression, because names are sorted, and times and owners are left out.
 */
async function packTree(dir: string, scratch: string, signal: AbortSignal): Promise<string> {
  const packed = join(scratch, packedName);
  const same = ['--sort=name', '--mtime=@0', '--owner=0', '--group=0', '--numeric-owner'];
  const flags = ['--create', '--format=gnu', ...same, '--file', packed, '--directory', dir];
  // xz compresses at its fastest level, with a thread for each core: 1.4 GB become 200 MB.
  await runTool('tar', [...flags, '--use-compress-program=xz -0 -T0', 'tree'], { signal });
  return scratch;
}

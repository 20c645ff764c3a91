import { type Architecture, defaultArch } from '../arch.ts';
import { type Emit, inStage } from '../events.ts';
import { findOffer, isOffering, offerEntry, type SharedName } from '../host/shared/exchange.ts';
import { findEntry } from '../host/store.ts';
import type { StoreManifest } from '../records/store.ts';
import { type BuiltKernel, kernelFiles, readKernel } from './built-kernel.ts';

interface KernelExchange {
  readonly arch?: Architecture;
  readonly cacheRoot: string;
  readonly signal: AbortSignal;
  readonly emit: Emit;
}

const mib = 2 ** 20;

/**
 * Fetches a kernel from the store behind the cache; undefined when there is none, or when it fails: then the kernel is built
 * here. `name` is the name of its source.
 */
export async function fetchKernel(
  key: string,
  name: string,
  request: KernelExchange,
): Promise<BuiltKernel | undefined> {
  const { arch = defaultArch, emit, cacheRoot, signal } = request;
  let fault: string | undefined;
  const onFault = (line: string): void => void (fault = `${line}; this kernel is built here`);
  const offer = await findOffer(nameOf(key, arch), { cacheRoot, signal, onFault });
  if (fault !== undefined) emit({ kind: 'note', text: fault });
  if (offer === undefined) return undefined;
  const { place, signer } = offer.origin;
  const size = `${Math.round(offer.bytes / mib)} MiB`;
  const entry = await inStage(
    emit,
    'build',
    `${name} from the store ${place}`,
    offer.fetch,
    (fetched) =>
      fetched === undefined
        ? (fault ?? name)
        : `${readKernel(arch, fetched, true).release}: from the store ${place}, signed by ${signer}, ${size}`,
  );
  return entry === undefined ? undefined : readKernel(arch, entry, true);
}

/** Puts a kernel of the cache into the store behind it, when this host signs. */
export async function offerKernel(
  kernel: BuiltKernel,
  { cacheRoot, signal, emit }: KernelExchange,
): Promise<void> {
  if (!isOffering(cacheRoot)) return;
  const { entry } = await findEntry(cacheRoot, 'kernel', kernel.id);
  if (entry === undefined) return;
  const onFault = (text: string): void => emit({ kind: 'note', text });
  const name = nameOf(kernel.id, kernel.arch);
  if (!(await offerEntry(entry, name, { cacheRoot, signal, onFault }))) return;
  emit({ kind: 'note', text: `kernel ${kernel.id}: put into the store` });
}

function nameOf(key: string, arch: Architecture): SharedName {
  return {
    kind: 'kernel',
    key,
    filesOf: (meta) => kernelFiles(arch, meta),
    check: (manifest) => wrongFacts(manifest, arch),
  };
}

/**
 * The facts of a kernel are its maker's; the digest of its image must be that of the image that came. That of a kernel with
 * modules covers these as they are without debug information, which are in the archive alone.
 */
function wrongFacts({ meta, files }: StoreManifest, arch: Architecture): string | undefined {
  const { imageDigest, modules } = meta as {
    readonly imageDigest?: unknown;
    readonly modules?: { readonly all: readonly unknown[] };
  };
  if (modules !== undefined && modules.all.length > 0) return undefined;
  const image = files.find(({ name }) => name === arch.imageTarget);
  return imageDigest === image?.sha256 ? undefined : 'its facts name another image';
}

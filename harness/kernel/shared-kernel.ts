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
 * Fetches a kernel from the shared store. `key` is the kernel's key, and `name` the name of its source. Returns undefined when
 * no store is set up, when the store does not have the kernel, and when the store fails. The caller then builds the kernel on
 * this host.
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

/**
 * Puts a kernel from the cache into the shared store. Nothing happens when this host has no key to sign with, or has put the
 * kernel there before.
 */
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
 * Returns a text that says what is wrong with a kernel from the shared store, or undefined. The image digest that the building host
 * recorded must be the digest of the fetched image. A kernel with modules is not checked, because its image digest also covers the
 * stripped modules, which exist only in an archive.
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

import type { BuildOutcome, NamedBuild } from './build-request.ts';
import { type BuiltKernel, findKernel } from './built-kernel.ts';
import { verifyConfig } from './config.ts';
import { settleFragments } from './fragment.ts';
import { type Identity, identifyBuild } from './identity.ts';
import { fetchKernel, offerKernel } from './shared-kernel.ts';
import { defaultToolchain } from './toolchain.ts';

/**
 * Returns the outcome of a build whose kernel is in the cache or the shared store, or undefined when the kernel must be built. No
 * source tree is needed.
 */
export async function recallBuild(asked: NamedBuild): Promise<BuildOutcome | undefined> {
  const request = { ...asked, fragments: settleFragments(asked.fragments) };
  const { known } = await recallKernel(request);
  return known === undefined ? undefined : outcomeOf(known, request);
}

/**
 * Computes the digests of a kernel, and looks for the kernel in the cache and then in the shared store. `known` is the kernel, or
 * undefined when neither has the kernel. A kernel from the cache is also offered to the shared store.
 */
export async function recallKernel(
  request: NamedBuild,
): Promise<{ readonly identity: Identity; readonly known: BuiltKernel | undefined }> {
  const { toolchain = defaultToolchain, signal, cacheRoot } = request;
  const identity = await identifyBuild({ ...request, toolchain }, signal);
  const key = identity.kernel;
  const known =
    (await findKernel(cacheRoot, key)) ?? (await fetchKernel(key, request.source.name, request));
  if (known !== undefined) await offerKernel(known, request);
  return { identity, known };
}

/**
 * Returns the outcome of a request for a stored kernel: the kernel, or the verdict `untestable` when the tree dropped a demanded
 * config line and the request does not say `record`. The returned kernel has the source name of this request, because the stored
 * kernel may have been built from an equal tree under another name.
 */
export function outcomeOf(
  stored: BuiltKernel,
  { onDropped, source }: Pick<NamedBuild, 'onDropped' | 'source'>,
): BuildOutcome {
  const kernel = { ...stored, facts: { ...stored.facts, sourceName: source.name } };
  const verdict = onDropped === 'record' ? undefined : verifyConfig(kernel.facts.dropped);
  return verdict === undefined ? { kind: 'built', kernel } : { kind: 'untestable', verdict };
}

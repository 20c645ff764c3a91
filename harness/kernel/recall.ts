import type { BuildOutcome, NamedBuild } from './build-request.ts';
import { type BuiltKernel, findKernel } from './built-kernel.ts';
import { verifyConfig } from './config.ts';
import { settleFragments } from './fragment.ts';
import { type Identity, identifyBuild } from './identity.ts';
import { fetchKernel, offerKernel } from './shared-kernel.ts';
import { defaultToolchain } from './toolchain.ts';

/**
 * The outcome of a build whose kernel is in the cache or the shared store; undefined when the kernel must be built. No source
 * tree is needed.
 */
export async function recallBuild(asked: NamedBuild): Promise<BuildOutcome | undefined> {
  const request = { ...asked, fragments: settleFragments(asked.fragments) };
  const { known } = await recallKernel(request);
  return known === undefined ? undefined : outcomeOf(known, request);
}

/**
 * The identity of a kernel, and the kernel from the cache or from the shared store behind it; `known` is undefined when neither
 * has the kernel. A kernel that is found in the cache is also offered to the store.
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
 * The outcome of a request whose kernel is stored. When demands were dropped and the request does not say `record`, the outcome
 * is untestable. Equal trees share a store entry under any name, so the kernel gets the source name of this request.
 */
export function outcomeOf(
  stored: BuiltKernel,
  { onDropped, source }: Pick<NamedBuild, 'onDropped' | 'source'>,
): BuildOutcome {
  const kernel = { ...stored, facts: { ...stored.facts, sourceName: source.name } };
  const verdict = onDropped === 'record' ? undefined : verifyConfig(kernel.facts.dropped);
  return verdict === undefined ? { kind: 'built', kernel } : { kind: 'untestable', verdict };
}

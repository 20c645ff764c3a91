import type { BuildOutcome, NamedBuild } from './build-request.ts';
import { type BuiltKernel, findKernel } from './built-kernel.ts';
import { verifyConfig } from './config.ts';
import { settleFragments } from './fragment.ts';
import { type Identity, identifyBuild } from './identity.ts';
import { fetchKernel, offerKernel } from './shared-kernel.ts';
import { defaultToolchain } from './toolchain.ts';

/**
 * The outcome of a build that this host or another one has done before; undefined when the kernel must be built. No source tree is
 * needed.
 */
export async function recallBuild(asked: NamedBuild): Promise<BuildOutcome | undefined> {
  const request = { ...asked, fragments: settleFragments(asked.fragments) };
  const { known } = await recallKernel(request);
  return known === undefined ? undefined : outcomeOf(known, request);
}

/** The kernel from the cache or from the store behind it, with its identity. */
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
 * The outcome of a stored kernel. A kernel that was stored although demands were dropped is not returned to a request
 * that refuses drops. Equal trees share an entry under any name; the kernel gets the source name of this request.
 */
export function outcomeOf(
  stored: BuiltKernel,
  { onDropped, source }: Pick<NamedBuild, 'onDropped' | 'source'>,
): BuildOutcome {
  const kernel = { ...stored, facts: { ...stored.facts, sourceName: source.name } };
  const verdict = onDropped === 'record' ? undefined : verifyConfig(kernel.facts.dropped);
  return verdict === undefined ? { kind: 'built', kernel } : { kind: 'untestable', verdict };
}

import { valueDigest } from '../../host/store.ts';
import { chooseWorkloads } from '../../trial/choose-workloads.ts';
import type { BisectRequest } from './bisect.ts';
import { type NamedInputs, pinInputs } from './pin-inputs.ts';
import type { RangeChoice } from './range.ts';

/** What decides the answer besides the range and its inputs. */
type Question = Pick<
  BisectRequest,
  'signature' | 'durationMs' | 'memoryMiB' | 'cpus' | 'seed' | 'toolchain' | 'modules'
>;

/** The part of a request that its key is the digest of. */
export type PinnedRequest = Question &
  Pick<BisectRequest, 'series' | 'configs' | 'configBase' | 'workloads' | 'key'>;

/**
 * Reads everything that a bisection is about. Two requests with one key may go on with one journal. Throws `usage` for what is not
 * there and `config` for what is malformed.
 */
export async function pinRequest(
  question: Question,
  choice: RangeChoice,
  named: NamedInputs,
  options: { readonly cwd: string; readonly signal: AbortSignal },
): Promise<PinnedRequest> {
  const { identity, ...inputs } = await pinInputs(named, options);
  const workloads = await chooseWorkloads(named.workloads, { ...options, args: [] });
  return { ...question, ...inputs, workloads, key: valueDigest([question, choice, identity]) };
}

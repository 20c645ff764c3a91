import { valueDigest } from '../../host/store.ts';
import { chooseWorkloads } from '../../trial/choose-workloads.ts';
import type { BisectRequest } from './bisect.ts';
import { type NamedInputs, pinInputs } from './pin-inputs.ts';
import type { RangeChoice } from './range.ts';

/** The options that decide a bisection's answer, without the range and the options whose files are read. */
type Question = Pick<
  BisectRequest,
  | 'signature'
  | 'durationMs'
  | 'guest'
  | 'accel'
  | 'memoryMiB'
  | 'cpus'
  | 'seed'
  | 'toolchain'
  | 'modules'
>;

/** Everything that decides a bisection's answer, and `key`, a digest of it. */
export type PinnedRequest = Question &
  Pick<BisectRequest, 'series' | 'configs' | 'configBase' | 'workloads' | 'key'>;

/**
 * Reads everything that decides a bisection. A request with the key of an earlier bisection can continue that bisection. Throws
 * `usage` for a missing file, and `config` for a malformed file.
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

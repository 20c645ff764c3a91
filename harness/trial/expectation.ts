import type { Control, Expectation } from '../../patches/seeded-bugs.ts';
import { HarnessError } from '../errors.ts';
import { isVersionIn, type KernelVersion } from '../kernel/source.ts';
import type { AnnotationState } from '../records/controls.ts';

/**
 * Returns what a kernel of this version must print for a control (a test that breaks one rule of the kernel on purpose). `state`
 * says whether the kernel has the lockdep annotations that help to detect it. Throws `internal` when the control has no row for
 * this version and state.
 */
export function expectationOf(
  { mode, expectations }: Pick<Control, 'mode' | 'expectations'>,
  version: KernelVersion,
  state: AnnotationState,
): Expectation {
  const found = expectations.find(
    (one) => isVersionIn(version, one) && (one.states?.includes(state) ?? true),
  );
  if (found !== undefined) return found;
  const release = version.join('.');
  throw new HarnessError(
    'internal',
    `control ${mode}: patches/controls.ts has no expected splat for ${release} in state ${state}`,
  );
}

import type { Control, Expectation } from '../../patches/seeded-bugs.ts';
import { HarnessError } from '../errors.ts';
import { isVersionIn, type KernelVersion } from '../kernel/source.ts';
import type { AnnotationState } from '../records/controls.ts';

/**
 * What a kernel of this version must print for a control while the annotations are in this state. Throws `internal` when no row
 * of the control is for this version and state.
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

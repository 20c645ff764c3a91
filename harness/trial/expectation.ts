import type { Control, Expectation } from '../../patches/seeded-bugs.ts';
import { HarnessError } from '../errors.ts';
import { isVersionIn, type KernelVersion } from '../kernel/source.ts';
import type { AnnotationState } from '../records/controls.ts';

/** The titles that a kernel of this version must print for a control while its annotations are in this state. */
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

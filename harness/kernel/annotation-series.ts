import { annotationSeries, type OwnSeries } from '../../patches/index.ts';
import { HarnessError } from '../errors.ts';
import type { AnnotationState } from '../records/controls.ts';
import { isVersionIn, type SourceName } from './source.ts';

/**
 * The series of splat that bring the annotations into this state. Throws `usage` when splat has no such series for this version.
 */
export function annotationsFor(source: SourceName, state: AnnotationState): readonly OwnSeries[] {
  const needed = new Set(annotationSeries[state].map(({ name }) => name));
  const found = annotationSeries[state].filter((one) => isVersionIn(source.version, one));
  if (found.length === needed.size) return found;
  throw new HarnessError(
    'usage',
    `${source.name}: --annotations ${state} needs patches that splat has only for kernels from 6.1 on; this kernel can only be tried as it is (--annotations in)`,
  );
}

/** Returns when annotationsFor() has the series for each of these states; throws its `usage` otherwise. */
export function requireSeries(source: SourceName, states: readonly AnnotationState[]): undefined {
  for (const state of states) annotationsFor(source, state);
}

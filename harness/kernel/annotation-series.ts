import { annotationSeries, type OwnSeries } from '../../patches/index.ts';
import { HarnessError } from '../errors.ts';
import type { AnnotationState } from '../records/controls.ts';
import { isVersionIn, type SourceName } from './source.ts';

/**
 * splat's series that bring the mmu-notifier annotations of a kernel tree into this state. Throws `usage` when splat does not
 * have all of these series for the version of the tree.
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

/** Checks that annotationsFor() has the series for each of these states; throws `usage` as annotationsFor() does. */
export function requireSeries(source: SourceName, states: readonly AnnotationState[]): undefined {
  for (const state of states) annotationsFor(source, state);
}

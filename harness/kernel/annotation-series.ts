import { annotationSeries, type OwnSeries } from '../../patches/index.ts';
import { HarnessError } from '../errors.ts';
import type { AnnotationState } from '../records/controls.ts';
import { isVersionIn, type SourceName } from './source.ts';

/**
 * Returns splat's patch series that bring a kernel tree into this state of its mmu-notifier annotations, such as `removed`. Throws
 * `usage` when splat lacks a needed series for this tree's version.
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

/**
 * Throws `usage` unless splat has the patch series that bring this kernel tree into each of these states of its
 * mmu-notifier annotations.
 */
export function requireSeries(source: SourceName, states: readonly AnnotationState[]): undefined {
  for (const state of states) annotationsFor(source, state);
}

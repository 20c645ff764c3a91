import type { Section } from './body.ts';
import type { Composition } from './compose.ts';

/** A damaged title: printk stamps or control characters got into it. */
const damagedTitle = /\[ *\d+\.\d{6}\]|\bin \d/;

/**
 * Why a report cannot be trusted to be whole, or undefined when it can. Consoles drop lines, mix CPUs and are cut by reboots;
 * a name made from such a report would split one bug into many.
 */
export function corruptionOf(
  composition: Composition,
  sections: readonly Section[],
): string | undefined {
  const { rule, title, frameless } = composition;
  if (rule.corrupted) return rule.corrupted;
  if (frameless) return 'no frames to blame';
  if (damagedTitle.test(title)) return 'the title is damaged';
  if (rule.oneLine || rule.traceOptional) return undefined;
  const traces = sections.filter((section) => section.kind === 'trace');
  const hasFrames = sections.some(
    (section) =>
      (section.kind === 'trace' || section.kind === 'head') && section.frames.some((f) => !f.pc),
  );
  if (traces.length === 0) return hasFrames ? undefined : 'no stack trace in the report';
  const [firstTrace] = traces;
  if (firstTrace && firstTrace.frames.length === 0) return 'no frames in a stack trace';
  return undefined;
}

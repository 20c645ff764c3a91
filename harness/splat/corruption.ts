import type { Section } from './body.ts';
import type { Composition } from './compose.ts';

/** A damaged title: printk stamps or control characters got into it. */
const damagedTitle = /\[ *\d+\.\d{6}\]|\bin \d|:$/;

/** KMSAN and 32-bit ARM print frames without a heading. */
const leastBareFrames = 3;
/** lockdep announces its trace twice: `stack backtrace:`, then the CPU line, then `Call Trace:`. */
const announces = /stack backtrace:/;

/**
 * Why a report cannot be trusted to be whole, or undefined when it can. Consoles drop lines, mix CPUs and are cut by reboots;
 * a name made from such a report would split one bug into many.
 */
export function corruptionOf(
  composition: Composition,
  sections: readonly Section[],
  interrupted: boolean,
): string | undefined {
  const { rule, title, frameless } = composition;
  if (rule.corrupted) return rule.corrupted;
  if (frameless) return 'no frames to blame';
  if (damagedTitle.test(title)) return 'the title is damaged';
  if (rule.oneLine || rule.traceOptional) return undefined;
  const traces = sections.filter(
    (section) =>
      section.kind === 'trace' &&
      (section.frames.length > 0 || !announces.test(section.heading.text)),
  );
  if (traces.length === 0) {
    const bare = sections[0]?.frames.filter((entry) => !entry.pc).length ?? 0;
    return bare >= leastBareFrames || interrupted ? undefined : 'no stack trace in the report';
  }
  const [firstTrace] = traces;
  if (firstTrace && firstTrace.frames.length === 0) return 'no frames in a stack trace';
  return undefined;
}

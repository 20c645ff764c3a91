import type { ReportLine, Section } from './body.ts';
import type { Composition } from './compose.ts';

/** A damaged title: a printk stamp got into it, a number stands where the function belongs, or it breaks off after a colon. */
const damagedTitle = /\[ *\d+\.\d{6}\]|\bin \d|:$/;

/**
 * Lines with which other tasks begin stacks of their own. Without printk callers, these stacks end up in the middle of another
 * task's report.
 */
const intruder = /^FAULT_INJECTION: forcing a failure|: (?:page|vmalloc:) allocation failure/;

/**
 * Returns the number of the log line at which another task begins to print into a report. Returns undefined when no such line is
 * found, and for a report whose lines name their printk caller.
 */
export function intrusionOf(
  lines: readonly ReportLine[],
  sections: readonly Section[],
): number | undefined {
  if (lines[0]?.caller !== '') return undefined;
  const first = sections.find((section) => section.kind === 'trace' && section.frames.length > 0);
  const until = first?.frames.at(-1)?.line.number ?? Number.POSITIVE_INFINITY;
  const said = lines.slice(1).find((line) => line.number < until && intruder.test(line.text));
  const seen = first?.frames.find(
    (entry) => entry.frame.function.startsWith('should_fail') && !entry.questionable,
  );
  return said?.number ?? seen?.line.number;
}

/** Returns the sections of a report without the sections and frames at or below the log line with the number `end`. */
export function sectionsBefore(sections: readonly Section[], end: number): Section[] {
  const before = sections.filter(({ heading }) => heading.number < end);
  return before.map((section) => ({
    ...section,
    frames: section.frames.filter(({ line }) => line.number < end),
  }));
}

/** The smallest number of frames without a heading that counts as a stack: KMSAN and 32-bit ARM print no heading. */
export const leastBareFrames = 3;
/**
 * Headings below which a trace with a heading of its own follows: lockdep prints `stack backtrace:`, then the CPU line,
 * then `Call Trace:`.
 */
const announces = /stack backtrace:|NMI backtrace/;

/**
 * True when the heading `Allocated by task 12:` or `Freed by task 12:` has nothing below. Intact reports have a stack there,
 * or `(stack is not available)`.
 */
function isEmptyHistory(section: Section): boolean {
  return (
    (section.kind === 'alloc' || section.kind === 'free') &&
    section.frames.length === 0 &&
    section.length === 0 &&
    /by task \d+:/.test(section.heading.text)
  );
}

/**
 * True when frames without a heading are a stack: there are at least `leastBareFrames` such frames, or the header names the first
 * frame as well.
 */
function hasBareStack({ rule, blame }: Composition, sections: readonly Section[]): boolean {
  const bare = sections[0]?.frames.filter((entry) => !entry.pc) ?? [];
  if (bare.length >= leastBareFrames) return true;
  const isNamed = rule.frame?.from.includes('header') === true && blame !== undefined;
  return isNamed && bare[0]?.frame.function === blame.name;
}

/**
 * Returns the reason why a report may be incomplete, or undefined for a report that can be trusted. Consoles drop lines, mix the
 * output of CPUs and are cut by reboots. A title made from such a report would split one bug into many.
 */
export function corruptionOf(
  composition: Composition,
  sections: readonly Section[],
  interrupted: boolean,
): string | undefined {
  const { rule, title, frameless, blame } = composition;
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
    const isNamed = interrupted && blame !== undefined;
    return hasBareStack(composition, sections) || isNamed
      ? undefined
      : 'no stack trace in the report';
  }
  const [first] = traces;
  const isCut = first?.frames.length === 0 || sections.some(isEmptyHistory);
  return isCut ? 'no frames in a stack trace' : undefined;
}

import type { Rule } from './rules/rule.ts';

/**
 * The place in a text at which a header begins. `rank` is the position of the header's rule in `rules`: the more particular of two
 * rules has the smaller rank. For an event and for the end of a report, `rank` is 0.
 */
export interface HeaderPlace {
  readonly at: number;
  readonly rank: number;
  /** Undefined for an event and for the end of a report. */
  readonly rule?: Rule;
}

/** Returns the place in a line at which a report's header begins, or undefined when the line contains no header. */
export type HeaderTest = (text: string, fromKernel: boolean) => HeaderPlace | undefined;

import type { Rule } from './rules/rule.ts';

/**
 * The place in a text at which a header begins. `rank` is the number of its rule: of two rules, the more particular rule has the
 * smaller number. For an event and for the end of a report, `rank` is 0.
 */
export interface HeaderPlace {
  readonly at: number;
  readonly rank: number;
  /** Undefined for an event and for the end of a report. */
  readonly rule?: Rule;
}

/** Tells where in a line a report's header begins. Undefined when the line contains no header. */
export type HeaderTest = (text: string, fromKernel: boolean) => HeaderPlace | undefined;

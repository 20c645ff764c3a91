/** The results of a workload that consists of many tests. Pure. */
import type { Subtest } from '../records/subtest.ts';
import type { WorkloadEnd } from '../records/verdict.ts';

/** A test without tests inside it. */
export interface LeafTest extends Subtest {
  /** For a skip, its reason; for a failure, the place where it happened or how the program ended. */
  readonly why?: string;
}

/** The test as a record has it, without `why`. */
export function asSubtest({ name, result, expected }: LeafTest): Subtest {
  return { name, result, ...(expected === undefined ? {} : { expected }) };
}

/** One line for a test that neither passed nor was skipped, unless that was expected; no line for any other test. */
export function failureOf({ name, result, expected, why }: LeafTest): readonly string[] {
  if (result === 'pass' || result === 'skip' || expected !== undefined) return [];
  return [`${name}: ${result}${why === undefined ? '' : ` (${why})`}`];
}

/** The results of the tests, and what the end of their program means. */
export interface TestReport {
  readonly subtests: readonly Subtest[];
  /**
   * A line for each subtest that failed though it was not expected to. One such line makes the trial's verdict `workload-failed`,
   * unless something worse decides it.
   */
  readonly failures: readonly string[];
  /** The end of the program for the verdict: a failed test that `failures` tells of does not count again. */
  readonly end: WorkloadEnd;
}

/** The results of a workload that consists of many tests. Pure. */
import type { Subtest } from '../records/subtest.ts';
import type { WorkloadEnd } from '../records/verdict.ts';

/** A test without tests inside it. */
export interface LeafTest extends Subtest {
  /** For a skip, its reason; for a failure, the place where it happened or how the program ended. */
  readonly why?: string;
}

/** The test without `why`, as splat's files record it. */
export function asSubtest({ name, result, expected }: LeafTest): Subtest {
  return { name, result, ...(expected === undefined ? {} : { expected }) };
}

/**
 * A line such as `kms_atomic@x: fail` for a test that failed unexpectedly; no line for a test that passed, was skipped, or was
 * expected to fail.
 */
export function failureOf({ name, result, expected, why }: LeafTest): readonly string[] {
  if (result === 'pass' || result === 'skip' || expected !== undefined) return [];
  return [`${name}: ${result}${why === undefined ? '' : ` (${why})`}`];
}

/** The tests that a program reported, and the end of the program with which the trial's verdict is computed. */
export interface TestReport {
  readonly subtests: readonly Subtest[];
  /**
   * A line for each test that failed unexpectedly. With a line, the trial's verdict is `workload-failed`, unless something worse
   * happened.
   */
  readonly failures: readonly string[];
  /**
   * The end of the program, for the trial's verdict. The end is `exit` with code 0 when the program failed only because tests
   * failed: `failures` has these tests already.
   */
  readonly end: WorkloadEnd;
}

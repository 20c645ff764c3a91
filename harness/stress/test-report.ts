/** The results of a workload that consists of many tests. Pure. */
import type { Subtest } from '../records/subtest.ts';
import type { WorkloadEnd } from '../records/verdict.ts';

/** A test without tests inside it. */
export interface LeafTest extends Subtest {
  /** For a skip, its reason; for a failure, the place where it happened or how the program ended. */
  readonly why?: string;
}

/** The subtest of a record. */
export function asSubtest({ name, result, expected }: LeafTest): Subtest {
  return { name, result, ...(expected === undefined ? {} : { expected }) };
}

/** The line for a test that failed though it was not expected to; empty for any other test. */
export function failureOf({ name, result, expected, why }: LeafTest): readonly string[] {
  if (result === 'pass' || result === 'skip' || expected !== undefined) return [];
  return [`${name}: ${result}${why === undefined ? '' : ` (${why})`}`];
}

export interface TestReport {
  readonly subtests: readonly Subtest[];
  /** The subtests that failed though they were not expected to. They make the trial's verdict `workload-failed`. */
  readonly failures: readonly string[];
  readonly end: WorkloadEnd;
}

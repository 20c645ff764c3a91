/** What a workload that consists of many tests says of them. Pure. */
import type { Subtest } from '../records/subtest.ts';
import type { WorkloadEnd } from '../records/verdict.ts';

export interface TestReport {
  readonly subtests: readonly Subtest[];
  /** Subtests that failed and were not expected to; they make the trial `workload-failed`. */
  readonly failures: readonly string[];
  readonly end: WorkloadEnd;
}

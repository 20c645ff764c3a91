/** The results of a workload that consists of many tests. Pure. */
import type { Subtest } from '../records/subtest.ts';
import type { WorkloadEnd } from '../records/verdict.ts';

export interface TestReport {
  readonly subtests: readonly Subtest[];
  /** The subtests that failed though they were not expected to. They make the trial's verdict `workload-failed`. */
  readonly failures: readonly string[];
  readonly end: WorkloadEnd;
}

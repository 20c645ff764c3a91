import type { Verdict } from '../verdict.ts';
import type { LockReport } from './locks-text.ts';

/** What the reports of a run are made of: result.json's fields that are shown. Milliseconds of the host. */
export interface RunReport {
  readonly verdict: Verdict;
  readonly kernel: {
    readonly source: string;
    readonly release: string;
    readonly compiler: string;
    readonly sandbox: string;
  } | null;
  readonly accel: string | null;
  readonly accelReason: string | null;
  readonly bootSplats: readonly ReportedSplat[];
  readonly trials: readonly ReportedTrial[];
  readonly locks: LockReport | null;
  readonly seed: number;
  readonly timings: { readonly totalMs: number };
}

export interface ReportedTrial {
  readonly id: string;
  readonly workload: string;
  readonly canary?: string;
  readonly verdict: Verdict;
  /** Everything that was counted; the witnesses are those of it that a workload must have. */
  readonly counters: Readonly<Record<string, number>>;
  readonly witnesses: Readonly<Record<string, number>>;
  readonly splats: readonly ReportedSplat[];
  readonly events: readonly ReportedSplat[];
  readonly timings: { readonly totalMs: number };
}

export interface ReportedSplat {
  readonly title: string;
  readonly signature: string;
  readonly count: number;
  /** It is in the baseline, and decides nothing. */
  readonly known?: true;
  /** The report as printed, without printk's prefixes; symbolized where there was a vmlinux. */
  readonly text: readonly string[];
}

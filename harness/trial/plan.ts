import type { Guest } from '../guest/boot.ts';
import type { LockDump } from '../locks/dependencies.ts';
import type { Finding } from '../splat/finding.ts';
import type { Ledger } from '../stress/ledger.ts';
import type { Workload } from '../stress/workloads.ts';
import type { Verdict, WorkloadEnd } from '../verdict.ts';
import type { SplatCount } from './findings.ts';
import type { SeenSplat } from './listen.ts';
import type { Prepared } from './observe.ts';

/** One workload with one seed in one fresh guest. */
export interface TrialPlan {
  /** A folder name, unique in its run. */
  readonly id: string;
  readonly workload: Workload;
  readonly seed: number;
  /** How long the workload stresses, in milliseconds of the guest. */
  readonly durationMs: number;
  /** Which of the boots it is a copy of. */
  readonly bootIndex: number;
  /** The splats a canary must produce on this kernel. */
  readonly expected?: readonly string[];
  /** The user's own program, put into the guest as the workload's; it gets the workload's arguments and no others. */
  readonly upload?: Uint8Array;
  /** Nothing after the first splat is of interest. */
  readonly endAtSplat?: true;
}

export interface TrialContext {
  /** Starts this trial's guest: a copy of a checkpoint, or a boot of its own. */
  readonly start: (
    consolePath: string,
    onConsole: (bytes: Uint8Array) => void,
  ) => Promise<{ readonly guest: Guest; readonly prepared: Prepared }>;
  readonly slowness: number;
  readonly cpus: number;
  /** The trial's folder: console.log, output.log, and a picture where one was drawn. */
  readonly dir: string;
  readonly signal: AbortSignal;
  readonly onSplat: (finding: Finding) => void;
  readonly onNote: (text: string) => void;
  /** Gets what the guest's lockdep knew at the end of the trial; absent: it is not asked. */
  readonly onLocks?: (dump: LockDump) => void;
  /** True for a splat of the baseline: it is reported, and does not decide. Absent: none is. */
  readonly isKnown?: (finding: Pick<Finding, 'signature'>) => boolean;
}

/** A trial as result.json carries it. */
export interface TrialResult {
  readonly id: string;
  readonly workload: string;
  readonly canary?: string;
  readonly seed: number;
  readonly verdict: Verdict;
  /** How the workload's process ended; null when its guest never came up. */
  readonly end: WorkloadEnd | null;
  readonly ledger: Ledger;
  readonly witnesses: Readonly<Record<string, number>>;
  readonly counters: Readonly<Record<string, number>>;
  readonly splats: readonly SeenSplat[];
  readonly events: readonly SplatCount[];
  /** Cycles of lock classes that lockdep has learned and cannot find (locks/difference.ts). */
  readonly unreportedCycles: readonly (readonly string[])[];
  readonly timings: TrialTimings;
  /** Why the trial was run once more in a fresh guest, whose result this is; absent: it was not. */
  readonly retried?: 'hung' | 'unexercised';
}

/** Milliseconds of the host; null when the trial did not get that far. */
export interface TrialTimings {
  /** From the start of QEMU to the agent's first answer. */
  readonly startMs: number | null;
  /** From the start of QEMU to the workload's first line. */
  readonly firstLineMs: number | null;
  /** From the start of QEMU to the first line of the first splat's report on the console. */
  readonly firstSplatMs: number | null;
  readonly workloadMs: number | null;
  readonly totalMs: number;
  /** CPU time of the trial's QEMU, in seconds. */
  readonly qemuCpuSeconds: number;
}

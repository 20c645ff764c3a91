/**
 * A workload: a program in the guest that stresses something, with the counters that it must move. The workload may
 * belong to a canary.
 */

export interface Workload {
  /** The name that `--workload` takes. For a canary, it is the name of the workload whose program the canary runs. */
  readonly name: string;
  /** The program's path in the guest. */
  readonly program: string;
  readonly args: readonly string[];
  /**
   * The counters that must not be zero after the workload: `calls.FUNCTION` for calls of a kernel function, `vm.FIELD` for a
   * field of /proc/vmstat, `vm.FIELD_*` for the sum of all fields that begin with `FIELD_`, and `driver.NAME` for a counter of
   * the seeded-bug driver.
   */
  readonly witnesses: readonly string[];
  /** Further counters, such as `calls.FUNCTION`, that reports show but that may be zero; absent: none. */
  readonly alsoCounts?: readonly string[];
  /** The time that the workload runs, in milliseconds, when the user gives no duration. */
  readonly durationMs: number;
  /**
   * The time of a whole trial of the workload without KVM, in milliseconds, if it is far more than `durationMs`; absent for other
   * workloads. The field decides only which trials start first.
   */
  readonly longMs?: number;
  /**
   * The share of the usual number of trials that a series gives the workload, above 0 and below 1; absent: all of them. The field
   * is for a workload that makes most of its calls in every trial, so that fewer trials find a bug as surely.
   */
  readonly seriesShare?: number;
  /** Present when the workload shows a picture on the virtio GPU, and waits until splat has saved the picture. */
  readonly draws?: true;
  /**
   * Present for a program that others wrote. Such a program gets only its own arguments, with the trial's seed filled in,
   * and ends by itself.
   */
  readonly foreign?: true;
  /**
   * Another workload that runs at the same time. This workload is started again and again until the other workload has reached
   * its aim. Only for programs that others wrote.
   */
  readonly beside?: Workload;
  /**
   * Present when the workload is a series of programs of other authors, which run one after the other in an order that the seed
   * decides.
   */
  readonly ordered?: true;
  /** Files of the guest that are written before the workload starts, with their contents; absent for none. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Words of the kernel's command line that the workload needs; then each of its trials boots by itself. Absent for none. */
  readonly bootArguments?: string;
  /**
   * The name of the canary that the workload triggers; absent for other workloads. A canary is a seeded bug that each run must see.
   */
  readonly canary?: string;
  /** Present for the canary of the leak detector: no other canary looks for leaked memory at the end of its trial. */
  readonly leaks?: true;
}

/**
 * A canary: a bug that splat triggers on purpose, to prove that the kernel reports it. The expected splat is in
 * patches/controls.ts or patches/detector-checks.ts, under the same mode, notifier and trigger.
 */
export interface Canary {
  readonly name: string;
  /** The mode of the seeded-bug driver, which decides what the driver does wrong. */
  readonly mode: string;
  readonly notifier: 'hlist' | 'interval';
  readonly trigger: 'register' | 'munmap' | 'mrelease' | 'oom-memcg';
  /**
   * The property that a run cannot check on a kernel that is unable to report this bug, such as "lock order
   * inside hlist callbacks".
   */
  readonly proves?: string;
  /** The config symbols that must be on in a kernel for the bug to be seen. Absent: every kernel sees the bug. */
  readonly needs?: readonly string[];
  /** Set when the splats of this bug end the guest. */
  readonly endsGuest?: true;
  readonly leaks?: Workload['leaks'];
}

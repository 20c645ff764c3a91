/** The fields of a row in the table of workloads (workloads.ts), and of a canary. */

export interface Workload {
  /** The name that `--workload` takes. A canary goes by the name of the workload that it belongs to. */
  readonly name: string;
  /** The program's path in the guest. */
  readonly program: string;
  readonly args: readonly string[];
  /**
   * The counters that must not be zero: `calls.FUNCTION` for calls of a kernel function, `vm.FIELD` for a field of /proc/vmstat,
   * `vm.FIELD_*` for the sum of the fields that begin with `FIELD_`, and `driver.NAME` for a counter of the seeded-bug driver.
   * Every counter that a row names is read (counters.ts).
   */
  readonly witnesses: readonly string[];
  /** Further counters of these kinds that reports show; absent when there are none. */
  readonly alsoCounts?: readonly string[];
  /** How long the workload runs, in milliseconds, when the user gives no duration. */
  readonly durationMs: number;
  /** Present when the workload shows a picture on the virtio scanout and waits until it was taken. */
  readonly draws?: true;
  /** Present for a program of other authors: it gets its own arguments with the trial's seed filled in, and ends by itself. */
  readonly foreign?: true;
  /**
   * A workload that runs beside this one. This one is started again and again until the other has reached its aim. Only for
   * programs of other authors.
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
  /**
   * Present on the canary of the leak detector. Of all canaries, only this one looks for leaked memory at the end of its trial.
   */
  readonly leaks?: true;
}

/**
 * A seeded bug that every run of a kernel must see. The splat that the kernel must print is in patches/controls.ts or in
 * patches/detector-checks.ts, under the same mode, notifier and trigger.
 */
export interface Canary {
  readonly name: string;
  /** The mode of the seeded-bug driver. */
  readonly mode: string;
  readonly notifier: 'hlist' | 'interval';
  readonly trigger: 'register' | 'munmap' | 'mrelease' | 'oom-memcg';
  /** What stays unchecked on a kernel that is known not to see the bug, such as "lock order inside hlist callbacks". */
  readonly proves?: string;
  /** The config symbols that must be on in a kernel for the bug to be seen. Absent: every kernel sees the bug. */
  readonly needs?: readonly string[];
  /** Set when the splats of this bug end the guest. */
  readonly endsGuest?: true;
  readonly leaks?: Workload['leaks'];
}

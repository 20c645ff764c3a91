/** What a row of the table of workloads (workloads.ts) and a canary are. */

export interface Workload {
  /** What `--workload` takes. Canaries go by the name of the workload they belong to. */
  readonly name: string;
  /** In the guest. */
  readonly program: string;
  readonly args: readonly string[];
  /**
   * Counters that must not be zero: `calls.FUNCTION` of the kernel, `vm.FIELD` of /proc/vmstat or `vm.FIELD_*` for the sum of
   * those that begin alike, `driver.NAME` of the seeded-bug driver. What a row names is counted (counters.ts).
   */
  readonly witnesses: readonly string[];
  /** Counters of these kinds that are shown besides. Absent: none. */
  readonly alsoCounts?: readonly string[];
  /** Milliseconds of stress when the user names no duration. */
  readonly durationMs: number;
  /** It leaves a picture on the virtio scanout and waits until it was taken. */
  readonly draws?: true;
  /** Others wrote it: it gets the trial's seed and its own arguments, and ends by itself. */
  readonly foreign?: true;
  /** Of one that others wrote: this runs beside it, and it again and again until this has done what it is for. */
  readonly beside?: Workload;
  /** Of one that others wrote: it is many programs, one after the other in an order of the seed, for as long as it lasts. */
  readonly ordered?: true;
  /** Files of the guest that are written before it starts. Absent: none. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Words of the kernel's command line that it needs: each trial of it boots for itself. Absent: it needs none. */
  readonly bootArguments?: string;
  /** The name of the canary (a seeded bug that each run must see) that this workload triggers; absent for other workloads. */
  readonly canary?: string;
}

/**
 * A seeded bug that every run of a kernel must see. What the kernel must say of it is in patches/controls.ts or in
 * patches/detector-checks.ts, by these words.
 */
export interface Canary {
  readonly name: string;
  /** Of the seeded-bug driver. */
  readonly mode: string;
  readonly notifier: 'hlist' | 'interval';
  readonly trigger: 'register' | 'munmap' | 'mrelease' | 'oom-memcg';
  /** What is not checked on a kernel that is known not to see it, as "lock order inside hlist callbacks". */
  readonly proves?: string;
  /** Symbols of the configuration that are on in a kernel which sees it. Absent: every kernel does. */
  readonly needs?: readonly string[];
  /** What the kernel says is its last word. */
  readonly endsGuest?: true;
}

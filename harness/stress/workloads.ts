/** The table of workloads: what runs in a guest, and what must have been counted for it to have meant anything. */

export interface Workload {
  /** What `--workload` takes. */
  readonly name: string;
  /** In the guest. */
  readonly program: string;
  readonly args: readonly string[];
  /** The name of the seeded bug, for canaries only. */
  readonly canary?: string;
  /** Counters (counters.ts) that must not be zero. */
  readonly witnesses: readonly string[];
  /** Milliseconds of stress when the user names no duration. */
  readonly durationMs: number;
  /** It leaves a picture on the virtio scanout and waits until it was taken. */
  readonly draws?: true;
}

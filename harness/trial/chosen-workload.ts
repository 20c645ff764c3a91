import { HarnessError } from '../errors.ts';
import type { ToolsDisk } from '../guest/argv.ts';
import type { KernelVersion } from '../kernel/source.ts';
import type { IgtReport } from '../stress/igt-end.ts';
import type { Workload } from '../stress/workloads.ts';
import type { WorkloadEnd } from '../verdict.ts';

/** A workload of the table, or the user's own program with the bytes to copy into the guest. */
export interface ChosenWorkload {
  readonly workload: Workload;
  readonly upload?: Uint8Array;
  /** The disk with the workload's program, which the guest must have. */
  readonly disk?: ToolsDisk;
  /** Set for a workload that consists of many tests: reads the result of each test from the output and from the end of the program. */
  readonly readTests?: TestReader;
  /** Returns the workload as it runs on a kernel of this version; undefined: no part of it runs there. Absent: the workload is the same on all kernels. */
  readonly forKernel?: (version: KernelVersion) => ChosenWorkload | undefined;
}

export type TestReader = (stdout: string, end: WorkloadEnd) => IgtReport;

/** What guests need for these workloads in addition to what every guest has. */
export function guestRequirements(chosen: readonly ChosenWorkload[]): {
  readonly disk?: ToolsDisk;
  readonly profile?: readonly string[];
} {
  const disks = new Map(
    chosen.flatMap((one) => (one.disk === undefined ? [] : [[one.disk.id, one.disk]])),
  );
  const [disk] = disks.values();
  if (disks.size > 1) {
    const text =
      'tests of IGT and programs of Debian are on different disks, and a guest can have only one: use two runs';
    throw new HarnessError('usage', text);
  }
  const named = chosen
    .filter(({ workload }) => workload.foreign === true)
    .flatMap(({ workload }) => workload.witnesses)
    .flatMap((name) => (name.startsWith('calls.') ? name.slice('calls.'.length) : []));
  const profile = [...new Set(named)].toSorted();
  return {
    ...(disk === undefined ? {} : { disk }),
    ...(profile.length === 0 ? {} : { profile }),
  };
}
